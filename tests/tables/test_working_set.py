"""The working set against a plain dictionary: reads, scans, digests, checkpoints, restarts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.row import encode
from tables.tenants import Outlet
from tables.working_set import Changes, Overlay, StoreFailed, WorkingSet, row_hash
from tests.agents.core import DictStore

TENANTS, OUTLETS = ("a", "b"), tuple("pqrstuvw")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(TENANTS), st.sampled_from(OUTLETS)),
        st.tuples(st.just("delete"), st.sampled_from(TENANTS), st.sampled_from(OUTLETS)),
        st.tuples(st.just("get"), st.sampled_from(TENANTS), st.sampled_from(OUTLETS)),
        st.tuples(st.just("scan"), st.sampled_from(TENANTS), st.sampled_from(OUTLETS)),
        st.tuples(st.just("close"), st.just(""), st.just("")),
        st.tuples(st.just("checkpoint"), st.just(""), st.just("")),
    ),
    max_size=60,
)


class Pair:
    """A working set and what it must hold."""

    def __init__(self, clean_limit: int) -> None:
        self.store = DictStore()
        self.working = WorkingSet(self.store, clean_limit=clean_limit)
        self.wanted: dict[bytes, Outlet] = {}
        self.images: dict[bytes, bytes | None] = {}
        self.count = 0

    def step(self, what: str, tenant_id: str, outlet_id: str) -> None:
        key = Outlet.key_of(tenant_id, outlet_id)
        if what == "put":
            self.count += 1
            row = Outlet(tenant_id, outlet_id, f"{self.count}")
            self.wanted[key] = row
            self.working.put(key, row)
        elif what == "delete":
            self.wanted.pop(key, None)
            self.working.put(key, None)
        elif what == "get":
            assert self.working.get(key) == self.wanted.get(key)
        elif what == "scan":
            self._scan(Outlet.prefix_of(tenant_id), key)
        elif what == "close":
            self._close()
        else:
            self._close()
            self._checkpoint()

    def _scan(self, prefix: bytes, start: bytes) -> None:
        for limit in (1, 3, 100):
            for first in (b"", start):
                expected = [
                    self.wanted[key]
                    for key in sorted(self.wanted)
                    if key.startswith(prefix) and key >= first
                ]
                assert self.working.scan(prefix, limit, first) == expected[:limit]

    def _close(self) -> None:
        for image in self.working.images():
            self.images[image.key] = image.value
        total = sum(row_hash(key, encode(row)) for key, row in self.wanted.items())
        assert self.working.digest == total % (1 << 128)

    def _checkpoint(self) -> None:
        for key, value in self.images.items():
            if value is None:
                self.store.rows.pop(key, None)
            else:
                self.store.rows[key] = value
        self.working.stored(self.images, set(self.images))
        self.images = {}


class TestWorkingSet:
    @settings(max_examples=300, deadline=None)
    @given(steps, st.sampled_from([10, 1_000]))
    def test_holds_what_a_dictionary_would(self, taken, clean_limit):
        pair = Pair(clean_limit)
        for step in taken:
            pair.step(*step)
        pair.step("close", "", "")
        assert pair.working.scan(b"", 100) == [pair.wanted[key] for key in sorted(pair.wanted)]

    def test_a_repeat_of_the_same_value_does_not_change_the_digest(self):
        working = WorkingSet(DictStore())
        row = Outlet("t", "o", "name")
        for _ in range(2):
            working.put(row.key, row)
            working.images()
            assert working.digest == row_hash(row.key, encode(row))

    def test_a_row_made_and_deleted_leaves_the_digest_empty(self):
        working = WorkingSet(DictStore())
        row = Outlet("t", "o", "name")
        working.put(row.key, row)
        working.put(row.key, None)
        [image] = working.images()
        assert (image.value, working.digest) == (None, 0)

    def test_a_failing_store_is_an_error_of_its_own(self):
        class Broken(DictStore):
            def scan(self, prefix: bytes, start: bytes):
                raise OSError("disk")
                yield

        with pytest.raises(StoreFailed):
            WorkingSet(Broken()).scan(b"ol\x00", 1)


class TestOverlay:
    def test_hides_its_changes_from_the_base_until_merged(self):
        working = WorkingSet(DictStore())
        overlay = Overlay(working)
        row = Outlet("t", "o", "name")
        overlay.put(row)
        assert (overlay.get(row.key), working.get(row.key)) == (row, None)
        working.merge(Changes(overlay.changes))
        assert working.get(row.key) == row

    def test_a_scan_sees_rows_of_before_without_the_deleted_ones(self):
        working = WorkingSet(DictStore())
        rows = [Outlet("t", name, "") for name in "abc"]
        for row in rows:
            working.put(row.key, row)
        overlay = Overlay(working)
        overlay.delete(rows[0].key)
        assert overlay.scan(Outlet.prefix_of("t"), 1) == [rows[1]]

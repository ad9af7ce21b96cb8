"""Reading the changelog: whatever order, repeats or compaction made of it, the rows are right."""

from collections.abc import AsyncIterator, Sequence

import pytest

from streams.kafka import Record
from tables.recovery import read_changelog
from tables.store import PartitionStore, stored_value
from tests.tables.stores import open_table

Row = tuple[bytes, int, bytes | None]


class Changelog:
    """Rows at consecutive offsets from `first` on, `size` in a batch; `compacted` ones are gone."""

    def __init__(
        self, *rows: Row, first: int = 0, size: int = 1, compacted: Sequence[int] = ()
    ) -> None:
        self.first, self.end, self._size = first, first + len(rows), size
        self.read: list[int] = []
        self._records = [
            Record(offset, 0, (), stored_value(seq, value), key)
            for offset, (key, seq, value) in enumerate(rows, first)
            if offset not in compacted
        ]

    async def bounds(self) -> tuple[int, int]:
        return self.first, self.end

    async def read_range(self, start: int, end: int) -> AsyncIterator[list[Record]]:
        wanted = [record for record in self._records if start <= record.offset < end]
        self.read += [record.offset for record in wanted]
        for number in range(0, len(wanted), self._size):
            yield wanted[number : number + self._size]


A1, A2, A3, B1 = (b"a", 1, b"a1"), (b"a", 2, b"a2"), (b"a", 3, None), (b"b", 1, b"b1")


@pytest.fixture
def store(tmp_path) -> PartitionStore:
    return PartitionStore(open_table(tmp_path), 0)


def rows(store: PartitionStore) -> dict[bytes, bytes]:
    return dict(store.scan(b"", b""))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([A1, B1, A2], {b"a": b"a2", b"b": b"b1"}),
        ([A2, B1, A1], {b"a": b"a2", b"b": b"b1"}),  # a worker that was paused wrote last
        ([A1, A2, A3], {}),
        ([A1, A3, A2], {}),  # what was deleted stays deleted
        ([A1, A1], {b"a": b"a1"}),
    ],
)
class TestOfTwoVersionsOfARow:
    @pytest.mark.parametrize("size", [1, 2, 3])
    async def test_the_newer_one_counts(self, store, written, expected, size):
        assert await read_changelog(store, Changelog(*written, size=size)) == len(written)
        assert rows(store) == expected

    async def test_it_counts_though_it_was_read_before(self, store, written, expected):
        for count in range(1, len(written) + 1):
            await read_changelog(store, Changelog(*written[:count]))
        assert rows(store) == expected


class TestTheLocalRows:
    async def test_are_read_on_from_where_they_end(self, store):
        await read_changelog(store, Changelog(A1, B1))
        longer = Changelog(A1, B1, A2)
        await read_changelog(store, longer)
        assert longer.read == [2]
        assert (rows(store), store.offset()) == ({b"a": b"a2", b"b": b"b1"}, 2)

    async def test_of_a_longer_changelog_that_is_gone_are_wiped(self, store):
        await read_changelog(store, Changelog(A1, B1, A2))
        await read_changelog(store, Changelog(B1))
        assert (rows(store), store.offset()) == ({b"b": b"b1"}, 0)

    async def test_that_end_before_the_changelog_begins_are_wiped(self, store):
        await read_changelog(store, Changelog(A1))
        await read_changelog(store, Changelog(B1, B1, first=5))
        assert (rows(store), store.offset()) == ({b"b": b"b1"}, 6)


class TestACompactedChangelog:
    async def test_is_read_to_its_end_though_its_last_records_are_gone(self, store):
        compacted = Changelog(A1, A2, B1, B1, compacted=[0, 2, 3])
        assert await read_changelog(store, compacted) == 4
        assert rows(store) == {b"a": b"a2"}

"""The table as Faust sees it, and a partition's rows in RocksDB, on the real libraries."""

import asyncio
from typing import Any

import pytest
from faust.types import TP

from tables.store import ROCKSDB_OPTIONS, PartitionStore, StateTable, stored_value
from tests.tables.stores import Died, open_table

CHANGELOG = TP("treasury-state-changelog", 1)


@pytest.fixture
def table(tmp_path) -> StateTable:
    return open_table(tmp_path)


@pytest.fixture
def store(table) -> PartitionStore:
    store = PartitionStore(table, 1)
    store.write({b"aa\x00t": stored_value(3, b"row"), b"ab\x00t": stored_value(4, None)}, 7)
    return store


class TestRows:
    def test_are_there_with_their_numbers_and_the_deleted_ones_are_not(self, store):
        assert store.get(b"aa\x00t") == b"row"
        assert store.get(b"ab\x00t") is None
        assert [store.seq_of(key) for key in (b"aa\x00t", b"ab\x00t", b"none")] == [3, 4, -1]
        assert list(store.scan(b"", b"")) == [(b"aa\x00t", b"row")]
        assert store.offset() == 7

    def test_of_another_partition_are_apart(self, table, store):
        assert PartitionStore(table, 2).get(b"aa\x00t") is None

    def test_outlive_their_process_having_lost_and_regained_the_partition(self, table, store):
        table.data.revoke_partitions(table, {CHANGELOG})
        assert table.data._dbs == {}
        assert store.get(b"aa\x00t") == b"row"

    def test_can_be_wiped_and_written_again_at_once(self, table, store):
        held = table.data._db_for_partition(1)  # whoever still has it must not keep the lock
        store.wipe()
        assert held is not table.data._dbs.get(1)
        assert not table.data.partition_path(1).exists()
        assert (store.get(b"aa\x00t"), store.offset()) == (None, -1)
        store.write({b"aa\x00t": stored_value(9, b"new")}, 8)
        assert (store.get(b"aa\x00t"), store.offset()) == (b"new", 8)


class TestAFolder:
    def test_of_two_workers_is_refused_to_the_second(self, tmp_path, store):
        with pytest.raises(Exception, match=r"(?i)lock"):
            PartitionStore(open_table(tmp_path), 1).get(b"aa\x00t")

    def test_of_its_own_leaves_a_worker_free(self, tmp_path, store):
        other = PartitionStore(open_table(tmp_path / "other"), 1)
        assert other.get(b"aa\x00t") is None


class TestMemory:
    def test_is_bounded_as_the_database_itself_says(self, table, store):
        folder = table.data.partition_path(1)
        (options,) = folder.glob("OPTIONS-*")
        written = options.read_text().split()
        for name in ("write_buffer_size", "max_write_buffer_number", "max_open_files"):
            assert f"{name}={ROCKSDB_OPTIONS[name]}" in written
        said = (folder / "LOG").read_text().split("block_cache_options:")[1].split()
        assert said[said.index("capacity") + 2] == str(ROCKSDB_OPTIONS["block_cache_size"])

    def test_is_some_64_mib_a_partition(self):
        buffers = ROCKSDB_OPTIONS["write_buffer_size"] * ROCKSDB_OPTIONS["max_write_buffer_number"]
        assert ROCKSDB_OPTIONS["block_cache_size"] + buffers <= 64 * 1024 * 1024


class TestFaustsOwnRecovery:
    def test_is_told_that_there_is_nothing_to_read(self, table):
        table._ends = {CHANGELOG: 20}
        assert table.persisted_offset(CHANGELOG) == 19
        assert table.persisted_offset(TP(CHANGELOG.topic, 2)) is None

    def test_writes_neither_rows_nor_offsets(self, table, store):
        event: Any = object()
        table.apply_changelog_batch([event])
        sent: Any = object()
        table._on_changelog_sent(sent)
        assert store.offset() == 7

    @pytest.mark.parametrize("error", [RuntimeError(), asyncio.CancelledError()])
    async def test_that_fails_ends_the_process(self, tmp_path, error):
        async def fails(_partitions: set[int]) -> None:
            raise error

        with pytest.raises(Died):
            await open_table(tmp_path, fails).on_recovery_completed({CHANGELOG}, set())

    async def test_that_is_cancelled_by_a_rebalance_does_not(self, tmp_path):
        async def waits(partitions: set[int]) -> None:
            assert partitions == {1}
            await asyncio.Event().wait()

        recovering = open_table(tmp_path, waits).on_recovery_completed({CHANGELOG}, set())
        task = asyncio.create_task(recovering)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

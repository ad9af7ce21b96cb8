"""The one Faust table, and a partition's rows in it. The only file that knows Faust's tables.

Stored value = sequence number (8 bytes, big-endian) then the row's bytes; no bytes mark a
deletion. Faust's own reading and writing of the changelog is switched off here: it stores
offsets before rows, lets the last write win and swallows errors (see each override).
"""

import asyncio
import contextlib
import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

import faust
from faust.types import TP
from rocksdict import WriteBatch

from streams.topics import Topics

CHECKPOINT_KEY = b"\x00checkpoint"

ROCKSDB_OPTIONS = {
    "block_cache_size": 32 * 1024 * 1024,
    "write_buffer_size": 16 * 1024 * 1024,
    "max_write_buffer_number": 2,
    "max_open_files": 128,
}

Die = Callable[[BaseException], NoReturn]
RecoveryHook = Callable[[set[int]], Awaitable[None]]


class StateTable(faust.Table):  # type: ignore[misc]
    """Faust's table with our recovery in the place of its own."""

    def __init__(self, app: faust.App, *, recover: RecoveryHook, die: Die, **options: Any) -> None:
        super().__init__(app, **options)
        self._recover, self._die = recover, die
        self._ends: dict[TP, int] = {}

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Note where the changelogs end, so that Faust finds nothing to read in them."""
        mine = [tp for tp in assigned if tp.topic == self.changelog_topic_name]
        self._ends = dict(await self.app.consumer.highwaters(*mine)) if mine else {}
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    def persisted_offset(self, tp: TP) -> int | None:
        """The end of the changelog: our own reader (tables/recovery.py) does the reading."""
        end = self._ends.get(tp)
        return end - 1 if end else None

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Nothing: Faust would let the last write win, we keep the greater sequence number."""

    def _on_changelog_sent(self, fut: Any) -> None:
        """Nothing: Faust would store the offset before the rows are."""

    async def on_recovery_completed(self, active_tps: set[TP], _standby_tps: set[TP]) -> None:
        """Recover our partitions; an error ends the process, where Faust would go on without."""
        try:
            await self._recover({tp.partition for tp in active_tps})
        except BaseException as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                raise
            self._die(error)


def add_table(
    app: faust.App, topics: Topics, partitions: int, recover: RecoveryHook, die: Die
) -> StateTable:
    """The table of all rows; its changelog topic is `topics.changelog`."""
    table = StateTable(
        app,
        recover=recover,
        die=die,
        name="state",
        key_type=bytes,
        value_type=bytes,
        partitions=partitions,
        options=ROCKSDB_OPTIONS,
        help="every row that decisions read, by partition",
    )
    if table.changelog_topic_name != topics.changelog.name:
        raise ValueError(f"the changelog is {table.changelog_topic_name}, not {topics.changelog}")
    app.tables.add(table)
    return table


class PartitionStore:
    """Rows of one partition in RocksDB, below its working set."""

    def __init__(self, table: StateTable, partition: int) -> None:
        self._table = table
        self._partition = partition

    @property
    def _db(self) -> Any:
        return self._table.data._db_for_partition(self._partition)  # noqa: SLF001

    @property
    def _offset_key(self) -> bytes:
        return bytes(self._table.data.offset_key)

    def get(self, key: bytes) -> bytes | None:
        """A row's bytes; None if absent or deleted."""
        value = self._db.get(key)
        return value[8:] if value is not None and len(value) > 8 else None

    def seq_of(self, key: bytes) -> int:
        """The sequence number a row (or its deletion) was stored under; -1 if never."""
        value = self._db.get(key)
        return -1 if value is None else int.from_bytes(value[:8], "big")

    def scan(self, prefix: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows with this prefix in key order from `start` on, deletions left out."""
        own = {self._offset_key, CHECKPOINT_KEY}
        for key, value in self._db.items(from_key=start):
            if not key.startswith(prefix):
                return
            if len(value) > 8 and key not in own:
                yield key, value[8:]

    def offset(self) -> int:
        """The changelog offset up to which these rows are complete; -1 if none."""
        value = self._db.get(self._offset_key)
        return -1 if value is None else int(value)

    def write(self, rows: Mapping[bytes, bytes], offset: int) -> None:
        """Rows (with their sequence numbers) and the changelog offset, in one RocksDB batch."""
        batch = WriteBatch(raw_mode=True)
        for key, value in rows.items():
            batch.put(key, value)
        batch.put(self._offset_key, str(offset).encode())
        self._db.write(batch)

    def checkpoint(self) -> bytes | None:
        """The latest checkpoint row's bytes."""
        value = self._db.get(CHECKPOINT_KEY)
        return None if value is None else bytes(value[8:])

    def wipe(self) -> None:
        """Remove this partition's local rows; the changelog still has them."""
        data = self._table.data
        database = data._dbs.pop(self._partition, None)  # noqa: SLF001  Faust never closes one
        if database is not None:
            database.close()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(data.partition_path(self._partition))


def stored_value(seq: int, value: bytes | None) -> bytes:
    """The bytes of a row in changelog and store."""
    return seq.to_bytes(8, "big") + (value or b"")

"""The archive role: journal records that count, as they are, and the last image of every row.

Reads the journal and nothing else; every other role reads what this one has stored. It keeps
trying through any outage, and stops with an error when the journal is not the one it knows.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

import asyncpg

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.lease import Lease, Owner, Progress, run_leased
from agents.roles.tail import Archived
from streams.errors import JournalBroken, LogBetrayed
from streams.journal import Batch, Chain, Claim, Genesis, hash_of
from streams.kafka import PartitionReader, Record
from streams.signals import crash_here
from tables.postgres.archived import (
    RawRecord,
    apply_images,
    insert_records,
    last_record,
    raw_record,
)

ROLE = "archive"
CHUNK_BYTES = 4 * 1024 * 1024
CHUNK_RECORDS = 256
REST_S = 0.05
"""Between two transactions, so that many records share what one costs."""


@dataclass
class _Chunk:
    """What one transaction stores."""

    records: list[RawRecord] = field(default_factory=list)
    archived: list[tuple[Archived, int]] = field(default_factory=list)
    images: dict[bytes, tuple[int, bytes | None]] = field(default_factory=dict)


class Archive:
    """Archives partitions of one journal; `run` one of it per partition."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        bootstrap: str,
        journal: str,
        archived: ArchiveProgress,
        owner: Owner,
    ) -> None:
        self._pool = pool
        self._bootstrap = bootstrap
        self._journal = journal
        self._archived = archived
        self._owner = owner

    async def run(self, partition: int) -> NoReturn:
        """Archive this partition whenever its lease is ours.

        Raises `LogBetrayed` when the journal lost or replaced what is archived, `JournalBroken`
        when it contradicts itself: both are for people.
        """
        lease = Lease(self._pool, ROLE, partition, self._owner)
        await run_leased(lease, partial(self._follow, lease))

    async def _follow(self, lease: Lease, progress: Progress) -> NoReturn:
        partition = lease.partition
        last = await last_record(self._pool, partition)
        if (last.seq if last else -1) != progress.seq:
            raise JournalBroken(f"archive {partition}: progress is not at its last record")
        async with PartitionReader(self._bootstrap, self._journal, partition) as reader:
            offset = await _resume_offset(reader, last, progress, partition)
            chain = Chain.after(last.bytes) if last else Chain()
            with self._archived.told_here(partition, chain.seq):
                self._archived.note(partition, chain.seq, chain.next)
                async for records in reader.follow(offset):
                    for piece in pieces(records):
                        await self._store(lease, chain, piece)
                    await asyncio.sleep(REST_S)
        raise AssertionError("a journal has no end")

    async def _store(self, lease: Lease, chain: Chain, piece: Sequence[Record]) -> None:
        before = chain.seq
        chunk = read_chunk(chain, lease.partition, piece)
        if not chunk.records:
            return
        async with self._pool.acquire() as connection, connection.transaction():
            await lease.advance(
                connection,
                before,
                chain.seq,
                journal_offset=chunk.records[-1].journal_offset,
                next_position=chain.next,
            )
            await insert_records(connection, chunk.records)
            await apply_images(connection, lease.partition, chunk.images)
            crash_here("S11")
        self._archived.note(lease.partition, chain.seq, chain.next, chunk.archived)


def pieces(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """The records in runs small enough for one transaction; a large record stands alone."""
    start = size = 0
    for index, record in enumerate(records):
        full = size + len(record.value) > CHUNK_BYTES or index - start == CHUNK_RECORDS
        if full and index > start:
            yield records[start:index]
            start, size = index, 0
        size += len(record.value)
    if start < len(records):
        yield records[start:]


def read_chunk(chain: Chain, partition: int, piece: Sequence[Record]) -> _Chunk:
    """Those of the records that count, and the last image of each row; advances `chain`."""
    chunk = _Chunk()
    for found in piece:
        record = chain.accept(found.value)
        if record is None or isinstance(record, Claim):
            continue
        if isinstance(record, Genesis) and record.partition != partition:
            raise JournalBroken(f"genesis of partition {record.partition} in {partition}")
        if isinstance(record, Batch):
            for image in record.images:
                chunk.images[image.key] = (record.seq, image.value)
        chunk.archived.append((record, len(found.value)))
        chunk.records.append(
            raw_record(record, partition, found.offset, chain.record_hash, found.value)
        )
    return chunk


async def _resume_offset(
    reader: PartitionReader, last: RawRecord | None, progress: Progress, partition: int
) -> int:
    """Where to read on, after proof that this journal still holds the last archived record."""
    if progress.journal_offset < 0:
        first, _end = await reader.bounds()
        if last is None and first > 0:
            raise LogBetrayed(f"journal {partition} begins at {first} but nothing is archived")
        return first
    assert last is not None
    found = await reader.read_one(progress.journal_offset)
    if found is None or hash_of(found.value) != last.hash:
        raise LogBetrayed(
            f"journal {partition} does not hold archived record {last.seq} at offset "
            f"{progress.journal_offset}: run `treasury restore`"
        )
    return progress.journal_offset + 1

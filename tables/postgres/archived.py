"""Raw records and last images: the rows a lost Kafka is restored from, and the roles' source.

Raw bytes go in as they are and always fit; nothing in this file looks inside a record.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeAlias

import asyncpg

from streams.errors import Misconfigured
from streams.journal import Batch, Genesis

_LONGEST_SLOT = 511
_CUT = 480
CURSOR_ROWS = 2_000


class RawRecord(NamedTuple):
    """A journal record that counts: where it is, what inbound it covers, and its bytes."""

    partition: int
    seq: int
    log: int
    journal_offset: int
    first_offset: int
    first_index: int
    next_offset: int
    next_index: int
    hash: bytes
    bytes: bytes


def raw_record(
    record: Genesis | Batch, partition: int, offset: int, digest: bytes, data: bytes
) -> RawRecord:
    """The row of a record that stands at `offset` of its journal; `digest` is of `data`."""
    first = record.first if isinstance(record, Batch) else record.next
    after = record.next
    return RawRecord(
        partition,
        record.seq,
        after.log,
        offset,
        first.offset,
        first.index,
        after.offset,
        after.index,
        digest,
        data,
    )


Source: TypeAlias = (
    asyncpg.Pool | asyncpg.Connection
)  # a connection: to read within its transaction
_COLUMNS = ", ".join(RawRecord._fields)


async def insert_records(connection: asyncpg.Connection, records: Sequence[RawRecord]) -> None:
    """Add records; a seq that is there already raises UniqueViolationError."""
    await connection.copy_records_to_table(
        "raw_records", records=records, columns=RawRecord._fields
    )


async def last_record(source: Source, partition: int) -> RawRecord | None:
    """The record of the greatest seq, or None for an empty archive."""
    row = await source.fetchrow(
        f"SELECT {_COLUMNS} FROM raw_records WHERE partition = $1 ORDER BY seq DESC LIMIT 1",  # noqa: S608
        partition,
    )
    return None if row is None else RawRecord(*row)


async def archived_offset(source: Source, partition: int) -> int:
    """The offset of the last archived record in the journal as it is now; -1 if in none."""
    offset = await source.fetchval(
        "SELECT journal_offset FROM progress WHERE role = 'archive' AND partition = $1", partition
    )
    return -1 if offset is None else int(offset)


async def records_after(
    source: Source,
    partition: int,
    seq: int,
    *,
    limit: int = 64,
    limit_bytes: int = 4 * 1024 * 1024,
) -> list[tuple[int, bytes]]:
    """(seq, bytes) of the records that follow `seq`: at least one if there is one, then bounded."""
    rows = await source.fetch(
        """SELECT seq, bytes FROM (
               SELECT seq, bytes, sum(length(bytes)) OVER (ORDER BY seq) - length(bytes) AS before
               FROM (SELECT seq, bytes FROM raw_records WHERE partition = $1 AND seq > $2
                     ORDER BY seq LIMIT $3) AS following) AS measured
           WHERE before < $4 ORDER BY seq""",
        partition,
        seq,
        limit,
        limit_bytes,
    )
    return [(row[0], row[1]) for row in rows]


async def apply_images(
    connection: asyncpg.Connection,
    partition: int,
    images: Mapping[bytes, tuple[int, bytes | None]],
) -> None:
    """Take over the last (seq, bytes) of each key; None removes the row, a greater seq wins."""
    put: list[tuple[bytes, bytes | None, int, bytes]] = []
    gone: list[tuple[bytes, int]] = []
    for key, (seq, value) in sorted(images.items()):
        slot = slot_of(key)
        if value is None:
            gone.append((slot, seq))
        else:
            put.append((slot, None if slot == key else key, seq, value))
    if put:
        await connection.execute(
            _PUT, partition, *(list(column) for column in zip(*put, strict=True))
        )
    if gone:
        await connection.execute(
            _REMOVE, partition, *(list(column) for column in zip(*gone, strict=True))
        )


_PUT = """
    INSERT INTO images AS old (partition, slot, long_key, seq, bytes)
    SELECT $1::int, * FROM unnest($2::bytea[], $3::bytea[], $4::bigint[], $5::bytea[])
    ON CONFLICT (partition, slot) DO UPDATE SET seq = excluded.seq, bytes = excluded.bytes
    WHERE old.seq < excluded.seq
"""
_REMOVE = """
    DELETE FROM images USING unnest($2::bytea[], $3::bigint[]) AS gone (slot, seq)
    WHERE images.partition = $1 AND images.slot = gone.slot AND images.seq < gone.seq
"""


def slot_of(key: bytes) -> bytes:
    """What an index can hold of a key: itself, or its beginning and hash (longer than any key)."""
    if len(key) <= _LONGEST_SLOT:
        return key
    return key[:_CUT] + hashlib.sha256(key).digest()


@asynccontextmanager
async def snapshot(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees one moment of the archive, whatever is archived meanwhile."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


async def images_of(pool: asyncpg.Pool, partition: int) -> AsyncIterator[tuple[bytes, int, bytes]]:
    """(key, seq, bytes) of every row of the partition that exists, from one snapshot."""
    async with snapshot(pool) as connection:
        async for row in images_in(connection, partition):
            yield row


async def images_in(
    connection: asyncpg.Connection, partition: int
) -> AsyncIterator[tuple[bytes, int, bytes]]:
    """The same from a snapshot that is open already."""
    cursor = await connection.cursor(
        "SELECT coalesce(long_key, slot), seq, bytes FROM images WHERE partition = $1", partition
    )
    while rows := await cursor.fetch(CURSOR_ROWS):
        for row in rows:
            yield row[0], row[1], row[2]


async def archive_genesis(pool: asyncpg.Pool, genesis: RawRecord) -> bool:
    """Archive the record that begins a new log, at once and with the archive's progress.

    False, and nothing done, when the archive does not end right before it: then the archive role
    comes to it by itself.
    """
    async with pool.acquire() as connection, connection.transaction():
        moved = await connection.fetchval(
            """UPDATE progress SET seq = $2, journal_offset = $3,
                      next_log = $4, next_offset = $5, next_index = $6
               WHERE role = 'archive' AND partition = $1 AND seq = $2 - 1 RETURNING seq""",
            *(genesis.partition, genesis.seq, genesis.journal_offset),
            *(genesis.log, genesis.next_offset, genesis.next_index),
        )
        if moved is not None:
            await insert_records(connection, [genesis])
    return moved is not None


async def fix_partitions(pool: asyncpg.Pool, partitions: int) -> None:
    """Note the number of partitions once and for all; `Misconfigured` when it is another."""
    await pool.execute(
        "INSERT INTO cluster (partitions) VALUES ($1) ON CONFLICT DO NOTHING", partitions
    )
    await require_partitions(pool, partitions)


async def require_partitions(pool: asyncpg.Pool, partitions: int) -> None:
    """See that the archive is of so many partitions; raises `Misconfigured`."""
    fixed = await pool.fetchval("SELECT partitions FROM cluster")
    if fixed is None:
        raise Misconfigured("no journal was begun yet: run `treasury topics`")
    if fixed != partitions:
        raise Misconfigured(f"this archive is of {fixed} partitions, not {partitions}")

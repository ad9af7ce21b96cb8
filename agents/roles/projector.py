"""The projector role: keeps the read models at the archive's heels.

What Postgres cannot take is quarantined with an alarm, alone; the rest goes on. Read models can
be rebuilt, so their commits do not wait for the disk.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NoReturn, TypeVar

import asyncpg
import structlog

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.explode import Exploded, Source, explode
from agents.roles.follow import follow_archive
from agents.roles.lease import Lease, Owner, Progress, run_leased
from agents.roles.tail import Archived
from streams.journal import Batch
from tables.postgres.read_models import (
    QuarantinedRow,
    ResourceRow,
    insert_entries,
    quarantine,
    upsert_resources,
)

ROLE = "projector"
GATHER_S = 0.25
"""Pause after each transaction, so that a row which changes often is written once for many."""
_log = structlog.get_logger(__name__)
T = TypeVar("T")

_UNTAKEN = (
    asyncpg.DataError,  # the server's: NUL in text, digits beyond the column, …
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,  # longer than an index can hold
    ValueError,  # the client's: an integer too large for its column
)


class Projector:
    """Projects partitions; `run` one of it per partition."""

    def __init__(self, pool: asyncpg.Pool, archived: ArchiveProgress, owner: Owner) -> None:
        self._pool = pool
        self._archived = archived
        self._owner = owner

    async def run(self, partition: int) -> NoReturn:
        """Project this partition whenever its lease is ours."""
        lease = Lease(self._pool, ROLE, partition, self._owner)
        await run_leased(lease, partial(self._follow, lease))

    async def _follow(self, lease: Lease, progress: Progress) -> NoReturn:
        seq = progress.seq
        records = follow_archive(self._pool, self._archived, lease.partition, seq)
        async for some in records:
            if some:
                await self._store(lease, seq, some)
                seq = some[-1].seq
                await asyncio.sleep(GATHER_S)
        raise AssertionError("an archive has no end")

    async def _store(self, lease: Lease, seq: int, records: list[Archived]) -> None:
        batches = [record for record in records if isinstance(record, Batch)]
        found = explode(lease.partition, batches)
        async with self._pool.acquire() as connection, connection.transaction():
            # A crash of the server may lose this with the progress beside it: done again then.
            await connection.execute("SET LOCAL synchronous_commit = off")
            await lease.advance(connection, seq, records[-1].seq)
            await _insert(connection, lease.partition, found)


async def _insert(connection: asyncpg.Connection, partition: int, found: Exploded) -> None:
    images = list(found.unreadable)
    for (_row, source), error in await _take(connection, found.resources, _upsert):
        images.append((source, error))
    aside = [_image_aside(partition, source, error) for source, error in images]
    for rows, error in await _take(connection, found.entries, insert_entries):
        entry = rows.entry
        place = (partition, entry.seq, "entry", entry.ordinal)
        aside.append(QuarantinedRow(*place, _text(error), entry.raw))
    for row in aside:
        _log.error("quarantined", **{**row._asdict(), "raw": len(row.raw)})
    await quarantine(connection, aside)


async def _upsert(
    connection: asyncpg.Connection, resources: Sequence[tuple[ResourceRow, Source]]
) -> None:
    await upsert_resources(connection, [row for row, _source in resources])


def _image_aside(partition: int, source: Source, error: Exception) -> QuarantinedRow:
    place = (partition, source.batch.seq, "image", source.ordinal)
    return QuarantinedRow(*place, _text(error), source.value)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("\x00", "\\0")[:500]


async def _take(
    connection: asyncpg.Connection,
    rows: Sequence[T],
    insert: Callable[[asyncpg.Connection, Sequence[T]], Awaitable[None]],
) -> list[tuple[T, Exception]]:
    """Insert all rows but those that Postgres cannot take; finds and returns those by halving."""
    if not rows:
        return []
    try:
        async with connection.transaction():
            await insert(connection, rows)
    except _UNTAKEN as error:
        if len(rows) == 1:
            return [(rows[0], error)]
    else:
        return []
    middle = len(rows) // 2
    first = await _take(connection, rows[:middle], insert)
    return first + await _take(connection, rows[middle:], insert)

"""Archived records in order, for ever: the source of relay, projector and dispatch.

They read what Postgres has and never Kafka, so that a restored cluster makes nobody act twice.
"""

import time
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.lease import Lease
from agents.roles.tail import Archived
from streams.errors import JournalBroken
from streams.journal import CODEC, Claim
from tables.postgres.archived import records_after

QUIET_S, LOOK_AGAIN_S = 0.25, 5.0
STORE_EVERY_S = 0.25


class Bookmark:
    """How far a role has come, stored now and then: what follows is done again after a crash."""

    def __init__(self, pool: asyncpg.Pool, lease: Lease, seq: int) -> None:
        self._pool, self._lease = pool, lease
        self._seq = self._stored = seq
        self._store_at_s = 0.0

    async def move(self, seq: int) -> None:
        """Everything up to `seq` is done. Raises `Fenced` when the lease turns out to be lost."""
        self._seq = seq
        if time.monotonic() >= self._store_at_s:
            await self.store()

    async def store(self) -> None:
        """Store it now, if it is not."""
        if self._seq > self._stored:
            async with self._pool.acquire() as connection:
                await self._lease.advance(connection, self._stored, self._seq)
            self._is_stored(self._seq)

    async def move_within(self, connection: asyncpg.Connection, seq: int) -> None:
        """Store `seq` in the caller's transaction; call `moved` when that is committed."""
        await self._lease.advance(connection, self._stored, seq)

    def moved(self, seq: int) -> None:
        """The transaction of `move_within` is committed."""
        self._seq = seq
        self._is_stored(seq)

    def _is_stored(self, seq: int) -> None:
        self._stored = seq
        self._store_at_s = time.monotonic() + STORE_EVERY_S


async def follow_archive(
    pool: asyncpg.Pool, archived: ArchiveProgress, partition: int, seq: int
) -> AsyncIterator[list[Archived]]:
    """The records after `seq`, some at a time (4 MB at most, or one); waits for more.

    An empty list tells that none came for a while. Raises `JournalBroken` when a record is
    missing between two.
    """
    while True:
        found = archived.after(partition, seq)
        if found is None:
            found = await _stored_after(pool, partition, seq)
        if found:
            for record in found:
                if seq >= 0 and record.seq != seq + 1:
                    raise JournalBroken(f"archive {partition}: seq {record.seq} follows {seq}")
                seq = record.seq
            yield found
            continue
        try:
            await archived.wait_past(partition, seq, QUIET_S)
        except TimeoutError:
            yield []
            with suppress(TimeoutError):
                await archived.wait_past(partition, seq, LOOK_AGAIN_S)


async def _stored_after(pool: asyncpg.Pool, partition: int, seq: int) -> list[Archived]:
    return [_decode(data) for _seq, data in await records_after(pool, partition, seq)]


def _decode(data: bytes) -> Archived:
    record = CODEC.decode(data)
    if isinstance(record, Claim):
        raise JournalBroken("a claim is never archived")
    return record

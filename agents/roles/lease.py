"""Who may run a role on a partition: a lease by Postgres' clock, with `seq` as the fence.

The lease keeps two workers from doing the same work; the compare-and-set of `seq` keeps a worker
that lost its lease unnoticed from counting. Decides nothing about the work itself.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

import asyncpg
import structlog

from agents.roles.outages import Backoff, is_outage, uninterrupted
from streams.errors import Fenced
from streams.journal import Position

TTL_S = 10.0
FREE_FOR_TTLS = 1.5
"""Times to live for which a lease must have been free before a worker that is not near has it."""
_RELEASE_WITHIN_S = 2.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far a role has come: `seq` of the last record done (-1: none).

    The other members are the archive's: the journal offset of that record (-1: none in this
    journal) and the inbound position after it.
    """

    seq: int
    journal_offset: int
    next: Position


@dataclass(frozen=True)
class Owner:
    """A worker that takes leases: its name for people, and the partitions it is `near`.

    The worker that decides a partition comes first: what it archives need not be read back, and
    the work is spread as the partitions are. Who never decides is near them all.
    """

    name: str
    near: Callable[[int], bool] = lambda _partition: True


class Lease:
    """One worker's claim to a role on a partition."""

    def __init__(
        self, pool: asyncpg.Pool, role: str, partition: int, owner: Owner, *, ttl_s: float = TTL_S
    ) -> None:
        self.role = role
        self.partition = partition
        self.ttl_s = ttl_s
        self._pool = pool
        # A restarted worker of the same name is somebody else.
        self._owner = f"{owner.name}/{secrets.token_hex(6)}"
        self._is_near = owner.near
        self._valid_until = 0.0

    @property
    def held(self) -> bool:
        """Whether, by our own clock, nobody else can have it."""
        return time.monotonic() < self._valid_until

    @property
    def near(self) -> bool:
        """Whether this worker comes first."""
        return self._is_near(self.partition)

    async def acquire(self) -> Progress | None:
        """Take or keep the lease; None while another worker has it, or may come first."""
        asked = time.monotonic()
        free_for_s = 0.0 if self.near else FREE_FOR_TTLS * self.ttl_s
        await self._pool.execute(_ENTER, self.role, self.partition)
        row = await self._pool.fetchrow(
            _ACQUIRE, self.role, self.partition, self._owner, self.ttl_s, free_for_s
        )
        if row is None:
            return None
        self._valid_until = asked + self.ttl_s
        return Progress(row[0], row[1], Position(row[2], row[3], row[4]))

    async def renew(self) -> None:
        """Keep the lease for another time to live; raises `Fenced` when it is not ours any more."""
        asked = time.monotonic()
        arguments = (self.role, self.partition, self._owner, self.ttl_s)
        if await self._pool.fetchval(_RENEW, *arguments) is None:
            self._valid_until = 0.0
            raise Fenced(f"{self.role} of partition {self.partition} is another worker's")
        self._valid_until = asked + self.ttl_s

    async def advance(
        self,
        connection: asyncpg.Connection,
        old_seq: int,
        new_seq: int,
        *,
        journal_offset: int = -1,
        next_position: Position | None = None,
    ) -> None:
        """Move progress from `old_seq` to `new_seq` in the caller's transaction.

        Call it first: it locks the row, so that a second worker waits here instead of clashing
        later. Raises `Fenced` when somebody else has moved it or holds the lease.
        """
        after = next_position or Position(0, 0, 0)
        moved = await connection.fetchval(
            _ADVANCE,
            *(self.role, self.partition, self._owner, self.ttl_s, old_seq, new_seq),
            *(journal_offset, after.log, after.offset, after.index),
        )
        if moved is None:
            raise Fenced(
                f"{self.role} of partition {self.partition} is not at seq {old_seq} or not ours"
            )

    async def release(self) -> None:
        """Give it up, so that another worker need not wait for it to run out."""
        self._valid_until = 0.0
        await self._pool.execute(_RELEASE, self.role, self.partition, self._owner)


_ENTER = """
    INSERT INTO progress (role, partition, lease_until) VALUES ($1, $2, clock_timestamp())
    ON CONFLICT DO NOTHING
"""
_ACQUIRE = """
    UPDATE progress
    SET lease_owner = $3, lease_until = clock_timestamp() + make_interval(secs => $4)
    WHERE role = $1 AND partition = $2
      AND (lease_owner = $3 OR lease_until IS NULL
           OR (lease_owner IS NULL OR lease_until < now())
              AND lease_until <= clock_timestamp() - make_interval(secs => $5))
    RETURNING seq, journal_offset, next_log, next_offset, next_index
"""
_RENEW = """
    UPDATE progress SET lease_until = clock_timestamp() + make_interval(secs => $4)
    WHERE role = $1 AND partition = $2 AND lease_owner = $3 RETURNING seq
"""
_ADVANCE = """
    UPDATE progress SET lease_until = clock_timestamp() + make_interval(secs => $4), seq = $6,
           journal_offset = $7, next_log = $8, next_offset = $9, next_index = $10
    WHERE role = $1 AND partition = $2 AND lease_owner = $3 AND seq = $5 RETURNING seq
"""
_RELEASE = """
    UPDATE progress SET lease_owner = NULL, lease_until = clock_timestamp()
    WHERE role = $1 AND partition = $2 AND lease_owner = $3
"""

Work = Callable[[Progress], Awaitable[None]]


async def run_leased(lease: Lease, work: Work) -> NoReturn:
    """Run `work` from the stored progress whenever the lease is ours, for ever.

    Outages and a lost lease start it again; any other error of it is raised. The lease is released
    on cancellation, and when this worker is no longer near.
    """
    backoff = Backoff()
    log = _log.bind(role=lease.role, partition=lease.partition)
    try:
        while True:
            began = time.monotonic()
            try:
                progress = await lease.acquire()
                if progress is not None:
                    await _while_renewed(lease, work(progress))
                    await _release(lease)
            except Fenced as error:
                log.warning("lease lost", error=str(error))
                await backoff.pause()
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("outage", error=repr(error))
                if time.monotonic() - began > lease.ttl_s:
                    backoff.reset()
                await backoff.pause()
            else:
                await asyncio.sleep(lease.ttl_s / 5)
    finally:
        await _release(lease)


async def _while_renewed(lease: Lease, work: Awaitable[None]) -> None:
    task = asyncio.ensure_future(uninterrupted(work))
    was_near = lease.near
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=lease.ttl_s / 3)
            if task.done():
                break
            if was_near and not lease.near:
                return
            was_near = lease.near
            await _renew(lease)
        task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _renew(lease: Lease) -> None:
    try:
        async with asyncio.timeout(lease.ttl_s / 3):
            await lease.renew()
    except Exception as error:
        # Until it runs out nobody else can have taken it, so a short outage costs nothing.
        if not is_outage(error) or not lease.held:
            raise


async def _release(lease: Lease) -> None:
    if not lease.held:
        return
    try:
        async with asyncio.timeout(_RELEASE_WITHIN_S):
            await lease.release()
    except Exception as error:
        if not is_outage(error):
            raise
        _log.info("lease left to run out", role=lease.role, partition=lease.partition)

"""What is carried to others behind the archive: rows made of its records, tried until they arrive.

Two halves, of one partition each: the reader makes rows of archived records, the carrier tries the
rows that are due. Both stand behind the archive and touch neither journal nor log: whatever happens
here, money goes on. Rows queue in lanes; what is slow or dead in one lane holds up no other. A
crash repeats an attempt.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Generic, NoReturn, Protocol, TypeVar

import asyncpg

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.follow import Bookmark, follow_archive
from agents.roles.lease import Lease, Owner, Progress, run_leased
from agents.roles.outages import together, uninterrupted
from agents.roles.secret_store import now_utc
from agents.roles.tail import Archived
from connectors.breaker import Breaker

AT_ONCE_A_LANE = 4
LOOK_EVERY_S = 1.0
"""For what others made due, and for what is due again."""
GATHER_S, MANY = 0.4, 32
"""Pause between readings, so that one look-up is for many records; not in a backlog."""
FORGET_EVERY_S = 3_600.0

Lane = tuple[str, str]


class Due(Protocol):
    """A row whose time has come."""

    @property
    def key(self) -> tuple[str, ...]:
        """The row, of all tenants' rows."""

    @property
    def lane(self) -> Lane:
        """Where it queues: a tenant's endpoint, or its channel."""


D = TypeVar("D", bound=Due)


class Carrier(ABC, Generic[D]):
    """Carries the rows of partitions; `run` one of it per partition."""

    role: str
    at_once: int
    """Attempts under way, of a partition."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        archived: ArchiveProgress,
        owner: Owner,
        *,
        now: Callable[[], datetime] = now_utc,
    ) -> None:
        self._pool, self._archived, self._owner, self._now = pool, archived, owner, now
        self._breakers: dict[Lane, Breaker] = {}
        self._resting: dict[Lane, datetime] = {}

    # -- what differs -----------------------------------------------------------------------------

    @abstractmethod
    async def _make(self, partition: int, records: Sequence[Archived]) -> bool:
        """Make rows of archived records, once however often they are read; whether any is due."""

    @abstractmethod
    async def _some_due(
        self, connection: asyncpg.Connection, partition: int, busy: set[Lane], limit: int
    ) -> list[D]:
        """Some that are due, of lanes that are not busy; the longest waiting first."""

    @abstractmethod
    async def _try(self, due: D) -> bool | None:
        """One attempt, written down: whether its lane answered; None if nothing was tried."""

    @abstractmethod
    async def _forget(self, connection: asyncpg.Connection, partition: int) -> None:
        """Delete what nobody asks about any more."""

    def _rest(self, lane: Lane, until: datetime) -> None:
        """Leave a lane alone until then, whatever waits in it."""
        self._resting[lane] = until

    # -- what is the same -------------------------------------------------------------------------

    async def run(self, partition: int) -> NoReturn:
        """Carry this partition's rows whenever its lease is ours."""
        lease = Lease(self._pool, self.role, partition, self._owner)
        await run_leased(lease, partial(self._work, lease))

    async def _work(self, lease: Lease, progress: Progress) -> None:
        came = asyncio.Event()
        async with together() as tasks:
            tasks.create_task(uninterrupted(self._read(lease, progress.seq, came)))
            tasks.create_task(uninterrupted(self._carry(lease.partition, came)))
            tasks.create_task(uninterrupted(self._keep_forgetting(lease.partition)))

    async def _read(self, lease: Lease, seq: int, came: asyncio.Event) -> None:
        bookmark = Bookmark(self._pool, lease, seq)
        async for records in follow_archive(self._pool, self._archived, lease.partition, seq):
            if not records:
                await bookmark.store()
                continue
            if await self._make(lease.partition, records):
                came.set()
            await bookmark.move(records[-1].seq)
            if len(records) < MANY:
                await asyncio.sleep(GATHER_S)

    async def _carry(self, partition: int, came: asyncio.Event) -> NoReturn:
        carrying: dict[asyncio.Task[None], D] = {}
        try:
            while True:
                for due in await self._due(partition, carrying.values()):
                    task = asyncio.create_task(self._attempt(due))
                    task.add_done_callback(lambda _task: came.set())
                    carrying[task] = due
                with suppress(TimeoutError):  # then it looks again, as it does when woken
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await came.wait()
                came.clear()
                for task in [task for task in carrying if task.done()]:
                    del carrying[task]
                    task.result()
        finally:
            for task in carrying:
                task.cancel()
            await asyncio.gather(*carrying, return_exceptions=True)

    async def _due(self, partition: int, carried: Iterable[D]) -> list[D]:
        """What may be tried now beside what is carried: none of it twice, few of one lane."""
        carried = list(carried)
        loads = Counter(due.lane for due in carried)
        under_way = {due.key for due in carried}
        chosen: list[D] = []
        busy, looked_at = self._busy(loads), 2 * self.at_once
        async with self._pool.acquire() as connection:
            while len(under_way) < self.at_once:
                found = await self._some_due(connection, partition, busy, looked_at)
                full = set[Lane]()
                for due in found:
                    if due.key in under_way or len(under_way) >= self.at_once:
                        continue
                    if loads[due.lane] >= AT_ONCE_A_LANE or not self._breaker(due.lane).admit():
                        full.add(due.lane)
                        continue
                    chosen.append(due)
                    under_way.add(due.key)
                    loads[due.lane] += 1
                # What waits in one lane, however much, must not be all that is looked at.
                if len(found) < looked_at or not full:
                    break
                busy |= full
        return chosen

    def _busy(self, loads: Counter[Lane]) -> set[Lane]:
        """Lanes of which nothing more is taken now: full, resting, or behind an open breaker."""
        now = self._now()
        self._resting = {lane: until for lane, until in self._resting.items() if until > now}
        busy = {lane for lane, load in loads.items() if load >= AT_ONCE_A_LANE}
        busy |= {lane for lane, breaker in self._breakers.items() if breaker.state == "open"}
        return busy | self._resting.keys()

    async def _attempt(self, due: D) -> None:
        breaker = self._breaker(due.lane)
        try:
            answered = await self._try(due)
        except BaseException:
            breaker.abandoned()
            raise
        if answered is None:
            breaker.abandoned()
        elif answered:
            breaker.succeeded()
        else:
            breaker.failed()

    def _breaker(self, lane: Lane) -> Breaker:
        return self._breakers.setdefault(lane, Breaker())

    async def _keep_forgetting(self, partition: int) -> NoReturn:
        while True:
            async with self._pool.acquire() as connection:
                await self._forget(connection, partition)
            await asyncio.sleep(FORGET_EVERY_S)


def moment(at: datetime) -> str:
    """A time as histories of attempts have it: RFC 3339 in UTC, with milliseconds."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""How far the archive has come, for everybody who must wait for it before answering.

Told by the archive role of this process; for partitions archived elsewhere it polls Postgres,
and only while somebody waits. Writes nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import asyncpg

from agents.roles.outages import Backoff, is_outage
from agents.roles.tail import Archived, Tail
from streams.journal import Position

POLL_S = 0.02
_START = (-1, Position(0, 0))


@dataclass(eq=False)
class _Waiter:
    reached: Callable[[int, Position], bool]
    future: asyncio.Future[None]


class ArchiveProgress:
    """Progress of the archive by partition; one per process, shared by its roles."""

    def __init__(self, pool: asyncpg.Pool, *, poll_s: float = POLL_S) -> None:
        self._pool = pool
        self._poll_s = poll_s
        self._reached: dict[int, tuple[int, Position]] = {}
        self._waiters: defaultdict[int, list[_Waiter]] = defaultdict(list)
        self._tails: dict[int, Tail] = {}  # of the partitions that this process archives
        self._poller: asyncio.Task[None] | None = None

    def get(self, partition: int) -> tuple[int, Position]:
        """(seq of the last archived record, position after it) as far as known here."""
        return self._reached.get(partition, _START)

    def after(self, partition: int, seq: int) -> list[Archived] | None:
        """Some archived records that follow `seq`, if the archive of this process has them."""
        tail = self._tails.get(partition)
        return None if tail is None else tail.after(seq)

    def note(
        self,
        partition: int,
        seq: int,
        position: Position,
        records: Sequence[tuple[Archived, int]] = (),
    ) -> None:
        """The archive has committed up to here; wakes those who waited for it.

        `records` are those it committed last, each with the size of its bytes.
        """
        tail = self._tails.get(partition)
        if tail is not None:
            for record, size_bytes in records:
                tail.add(record, size_bytes)
        if seq < self.get(partition)[0]:
            return
        self._reached[partition] = (seq, position)
        waiting = self._waiters[partition]
        self._waiters[partition] = [
            waiter for waiter in waiting if not waiter.reached(seq, position)
        ]
        for waiter in waiting:
            if waiter.reached(seq, position) and not waiter.future.done():
                waiter.future.set_result(None)

    @contextmanager
    def told_here(self, partition: int, seq: int) -> Iterator[None]:
        """While this lasts, the archive of this process calls `note` of all that follows `seq`."""
        self._tails[partition] = Tail(seq)
        try:
            yield
        finally:
            del self._tails[partition]
            self._poll_if_needed()

    async def wait_for(self, partition: int, position: Position, timeout_s: float) -> None:
        """Return once everything before `position` is archived; TimeoutError after `timeout_s`."""
        await self._wait(partition, lambda _seq, reached: reached >= position, timeout_s)

    async def wait_past(self, partition: int, seq: int, timeout_s: float) -> None:
        """Return once a record after `seq` is archived; TimeoutError after `timeout_s`."""
        await self._wait(partition, lambda reached, _position: reached > seq, timeout_s)

    async def close(self) -> None:
        """Stop polling."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    async def _wait(
        self, partition: int, reached: Callable[[int, Position], bool], timeout_s: float
    ) -> None:
        if reached(*self.get(partition)):
            return
        waiter = _Waiter(reached, asyncio.get_running_loop().create_future())
        self._waiters[partition].append(waiter)
        self._poll_if_needed()
        try:
            async with asyncio.timeout(timeout_s):
                await waiter.future
        finally:
            if waiter in self._waiters[partition]:
                self._waiters[partition].remove(waiter)

    def _elsewhere(self) -> list[int]:
        return [
            partition
            for partition, waiting in self._waiters.items()
            if waiting and partition not in self._tails
        ]

    def _poll_if_needed(self) -> None:
        if self._elsewhere() and (self._poller is None or self._poller.done()):
            self._poller = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        backoff = Backoff(first_s=self._poll_s)
        while partitions := self._elsewhere():
            try:
                rows = await self._pool.fetch(_POLL, partitions)
            except Exception as error:
                if not is_outage(error):
                    self._fail(partitions, error)
                    return
                await backoff.pause()  # those who wait have deadlines of their own
                continue
            for row in rows:
                self.note(row[0], row[1], Position(row[2], row[3], row[4]))
            backoff.reset()
            await asyncio.sleep(self._poll_s)

    def _fail(self, partitions: list[int], error: Exception) -> None:
        for partition in partitions:
            for waiter in self._waiters.pop(partition):
                if not waiter.future.done():
                    waiter.future.set_exception(error)


_POLL = """
    SELECT partition, seq, next_log, next_offset, next_index
    FROM progress WHERE role = 'archive' AND partition = ANY ($1::int[])
"""

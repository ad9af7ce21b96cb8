"""What only shows while an installation runs, or over time: I10, I16 and I17.

I10: progress of every role, sampled all the time, never goes back and never passes the archive.
I16: workers end in time when told to. I17: once quiet, a worker has no more tasks and open files
than when it was fresh.
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress

import aiohttp
import asyncpg

from agents.audit.invariants import Findings
from agents.roles.process import EXIT_FENCED
from compose.local.supervisor import STOP_WITHIN_S, Supervisor

SAMPLE_S = 0.1
STOPS_WITHIN_S = 30.0
MORE_TASKS, MORE_FILES = 20, 40
SETTLED_S = 2.0
QUIET_WITHIN_S = 30.0
COMMITS_LATER = "projector"
"""Its rows and its progress are of one transaction, and are lost together."""
TASKS, FILES = "treasury_asyncio_tasks", "process_open_fds"


class ProgressWatch:
    """Samples progress while it is entered; outages of the database only leave gaps."""

    def __init__(self, dsn: str) -> None:
        self.findings = Findings()
        self._dsn = dsn
        self._last: dict[tuple[str, int], tuple[int, ...]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._sample_for_ever())

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _sample_for_ever(self) -> None:
        while True:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._sample_while_connected()
            await asyncio.sleep(SAMPLE_S)

    async def _sample_while_connected(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=5, command_timeout=5)
        self.reconnected()
        try:
            while True:
                self.see(
                    await connection.fetch(
                        """SELECT role, partition, seq, next_log, next_offset, next_index
                           FROM progress"""
                    )
                )
                await asyncio.sleep(SAMPLE_S)
        finally:
            connection.terminate()

    def reconnected(self) -> None:
        """The database may have crashed: who commits without waiting for its disk begins anew."""
        self._last = {key: seq for key, seq in self._last.items() if key[0] != COMMITS_LATER}

    def see(self, rows: Iterable[tuple]) -> None:
        """Judge one sample: (role, partition, seq, position…) of everybody at one moment."""
        rows = [tuple(row) for row in rows]
        archived = {row[1]: row[2] for row in rows if row[0] == "archive"}
        for role, partition, *progress in rows:
            now, before = tuple(progress), self._last.get((role, partition), ())
            if now < before or now[1:] < before[1:]:
                self.findings.breaks("I10", f"{role} went from {before} to {now}", partition)
            if now[0] > archived.get(partition, -1):
                words = f"{role} is at {now[0]}, the archive at {archived.get(partition)}"
                self.findings.breaks("I10", words, partition)
            self._last[role, partition] = now
        self.findings.checked["I10"] += len(rows)


def stopped_in_time(findings: Findings, supervisors: Iterable[Supervisor]) -> None:
    """I16: every stop so far was an orderly end, or the test's own SIGKILL a moment before."""
    for supervisor in supervisors:
        for stop in supervisor.stops:
            findings.checked["I16"] += 1
            killed = stop.code == -signal.SIGKILL and stop.seconds < STOP_WITHIN_S
            orderly = stop.code in {0, EXIT_FENCED} or killed
            if not orderly or stop.seconds > STOPS_WITHIN_S:
                words = f"ended with {stop.code}, {stop.seconds:.1f} s after SIGTERM"
                findings.breaks("I16", f"{supervisor.command.name} {words}")


async def held(urls: Iterable[str]) -> Counter[str]:
    """How many tasks and open files the workers have now, all together."""
    found: Counter[str] = Counter()
    async with aiohttp.ClientSession() as session:
        for url in urls:
            async with session.get(f"{url}/metrics") as response:
                lines = (await response.text()).splitlines()
            pairs = [line.split() for line in lines if line.startswith((TASKS, FILES))]
            found.update({name: int(float(value)) for name, value in pairs})
    return found


async def settled(urls: Sequence[str]) -> Counter[str]:
    """What they hold once that has not grown for a while: all their work has begun."""
    fresh, since = await held(urls), time.monotonic()
    while time.monotonic() - since < SETTLED_S:
        await asyncio.sleep(0.25)
        now = await held(urls)
        if now[TASKS] > fresh[TASKS]:
            fresh, since = now, time.monotonic()
    return fresh


async def nothing_held(findings: Findings, urls: Sequence[str], fresh: Counter[str]) -> None:
    """I17: quiet workers come back to about what they held together when they were `fresh`.

    Together, because leases and partitions may have moved from one to the other.
    """
    limits = {TASKS: MORE_TASKS * len(urls), FILES: MORE_FILES * len(urls)}
    findings.checked["I17"] += len(limits)
    until, now = time.monotonic() + QUIET_WITHIN_S, await held(urls)
    while any(now[name] - fresh[name] > more for name, more in limits.items()):
        if time.monotonic() > until:
            findings.breaks("I17", f"workers hold {dict(now)}, fresh they held {dict(fresh)}")
            return
        await asyncio.sleep(0.5)
        now = await held(urls)

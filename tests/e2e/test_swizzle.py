"""Random parts fall asleep one by one and wake in another order; once awake, all is well."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from compose.local.supervisor import Supervisor
from tests.e2e.cluster import Cluster, seed_of_run
from tests.e2e.flow import flowing, goes_on
from tests.e2e.group import QUICK

pytestmark = pytest.mark.kafka

TENANTS = 40  # so that every partition has some
EVENTS_A_MINUTE = 8_000
BETWEEN_S, ASLEEP_S = (0.0, 1.5), (0.5, 10.0)


def _with_children(pid: int) -> list[int]:
    """The process and, as PostgreSQL has them, those that it has made."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def _pid(supervisor: Supervisor) -> int | None:
    return supervisor.pid


class Parts:
    """Everything that can be put to sleep."""

    def __init__(self, cluster: Cluster) -> None:
        stack = cluster.running.stack
        workers = enumerate(cluster.running.supervisors)
        self._pids: Mapping[str, Callable[[], int | None]] = {
            "kafka": lambda: stack.kafka.pid,
            "nats": lambda: stack.nats.pid,
            "postgres": lambda: stack.postgres.pid,
            **{f"worker {number}": partial(_pid, each) for number, each in workers},
        }
        self._asleep: dict[str, list[int]] = {}

    @property
    def names(self) -> list[str]:
        return list(self._pids)

    def sleep(self, name: str) -> None:
        pid = self._pids[name]()
        if pid is not None:
            self._asleep[name] = _with_children(pid)
            self._tell(self._asleep[name], signal.SIGSTOP)

    def wake(self, name: str) -> None:
        self._tell(self._asleep.pop(name, []), signal.SIGCONT)

    def _tell(self, pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


async def _swizzle(parts: Parts, dice: random.Random) -> None:
    """One round of it."""
    victims = dice.sample(parts.names, dice.randint(1, len(parts.names)))
    print("asleep:", ", ".join(victims))
    try:
        for name in victims:
            parts.sleep(name)
            await asyncio.sleep(dice.uniform(*BETWEEN_S))
        await asyncio.sleep(dice.uniform(*ASLEEP_S))
    finally:
        dice.shuffle(victims)
        for name in victims:
            parts.wake(name)
            await asyncio.sleep(dice.uniform(*BETWEEN_S))


async def _swizzled(home: Path, minutes: float) -> None:
    seed = seed_of_run()
    dice = random.Random(seed)
    async with Cluster(home, workers=2, environment=QUICK) as cluster:
        load = cluster.generate(seed, int(EVENTS_A_MINUTE * (minutes + 2)), tenants=TENANTS)
        parts, until = Parts(cluster), time.monotonic() + minutes * 60
        async with flowing(cluster):
            while time.monotonic() < until:
                await _swizzle(parts, dice)
                began = time.monotonic()
                await goes_on(cluster)
                print(f"all is well {time.monotonic() - began:.1f} s later")
        for number, url in enumerate(cluster.running.urls):
            await cluster.pay(load.stories[number::2], url)
        assert await cluster.differences() == []


class TestSleepers:
    @pytest.mark.timeout(900)
    async def test_cost_time_only(self, home):
        await _swizzled(home, 0.75)

    @pytest.mark.long
    @pytest.mark.timeout(3_600)
    async def test_for_ten_minutes_cost_time_only(self, home):
        await _swizzled(home, 10)

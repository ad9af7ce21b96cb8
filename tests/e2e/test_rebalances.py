"""Partitions move while events flow: workers come, go, die and are told to end in the middle."""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from agents.roles.process import EXIT_FENCED
from tests.e2e.cluster import Cluster, seed_of_run
from tests.e2e.flow import flowing
from tests.e2e.group import QUICK, frozen, serves, share, told_to_end_where_it_sleeps

pytestmark = pytest.mark.kafka

EVENTS_A_ROUND, TENANTS = 12_000, 40
Step = Callable[[Cluster, random.Random], Awaitable[None]]


async def _one_is_killed_and_comes_back(cluster: Cluster, dice: random.Random) -> None:
    worker = dice.randrange(3)
    deaths = cluster.running.supervisors[worker].restarts
    cluster.kill(worker)
    await cluster.died(worker, since=deaths)
    await share(cluster, range(3))


async def _one_sleeps_somewhere(cluster: Cluster, dice: random.Random) -> None:
    """It ends itself if it had something to append, else it joins as if it were new."""
    sleeper = dice.randrange(3)
    pid = cluster.pid(sleeper)
    os.kill(pid, SIGSTOP)
    await share(cluster, set(range(3)) - {sleeper})
    os.kill(pid, SIGCONT)
    await share(cluster, range(3))


async def _one_dies_while_its_partitions_are_revoked(cluster: Cluster, _: random.Random) -> None:
    supervisors = cluster.running.supervisors
    await asyncio.gather(supervisors[1].stop(), supervisors[2].stop())
    await share(cluster, [0])
    await cluster.restart({"TREASURY_CRASH_AT": "S15:1"})
    cluster.use({})
    await share(cluster, [0])
    deaths = supervisors[0].restarts
    await supervisors[1].start()
    await cluster.died(0, since=deaths)
    await share(cluster, [0, 1])


async def _a_second_rebalance_overtakes_the_first(cluster: Cluster, dice: random.Random) -> None:
    supervisors = cluster.running.supervisors
    await asyncio.gather(supervisors[1].stop(), supervisors[2].stop())
    await share(cluster, [0])
    await supervisors[1].start()
    await asyncio.sleep(dice.uniform(0.2, 2))
    await supervisors[2].start()
    await share(cluster, range(3))


async def _one_is_told_to_end_while_it_lets_go(cluster: Cluster, _: random.Random) -> None:
    await cluster.restart({"TREASURY_STOP_AT": "S15:1"})
    cluster.use({})
    await share(cluster, range(3))
    await cluster.running.supervisors[2].stop()
    await frozen(cluster, 0)
    assert await told_to_end_where_it_sleeps(cluster, 0) == 0
    await serves(cluster.running.urls[1], 4)
    await cluster.running.supervisors[2].start()


async def _one_is_told_to_end_while_it_takes_over(cluster: Cluster, _: random.Random) -> None:
    supervisor = cluster.running.supervisors[0]
    await supervisor.stop()
    cluster.use({"TREASURY_STOP_AT": "S14:1"})
    await supervisor.start()
    cluster.use({})
    await frozen(cluster, 0)
    assert await told_to_end_where_it_sleeps(cluster, 0) == 0
    await supervisor.start()
    await share(cluster, range(3))


STEPS: tuple[Step, ...] = (
    _one_is_killed_and_comes_back,
    _one_sleeps_somewhere,
    _one_dies_while_its_partitions_are_revoked,
    _a_second_rebalance_overtakes_the_first,
    _one_is_told_to_end_while_it_lets_go,
    _one_is_told_to_end_while_it_takes_over,
)


async def _moves(home: Path, rounds: int) -> None:
    seed = seed_of_run()
    dice = random.Random(seed)
    async with Cluster(home, workers=3, environment=QUICK) as cluster:
        load = cluster.generate(seed, EVENTS_A_ROUND * rounds, tenants=TENANTS)
        async with flowing(cluster):
            for step in STEPS * rounds:
                began = time.monotonic()
                await step(cluster, dice)
                print(f"{step.__name__}: {time.monotonic() - began:.1f} s")
        for number, url in enumerate(cluster.running.urls):
            await cluster.pay(load.stories[number::3], url)
        assert await cluster.differences() == []
        codes = Counter(code for each in cluster.running.supervisors for code in each.codes)
        assert codes.pop(-SIGKILL) == 2 * rounds
        assert set(codes) <= {EXIT_FENCED}
        assert cluster.log().count("failpoint S15 SIGKILL\n") == rounds


class TestRebalances:
    @pytest.mark.timeout(1_200)
    async def test_lose_and_double_nothing(self, home):
        await _moves(home, 1)

    @pytest.mark.long
    @pytest.mark.timeout(3_600)
    async def test_of_every_kind_many_times_lose_and_double_nothing(self, home):
        await _moves(home, 15)

"""The process dies exactly where a crash would hurt most, once at every seam."""

import random

import pytest

from streams.signals import SEAMS
from tests.e2e.cluster import Cluster, seed_of_run

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

EVENTS = 4_000
WITH_EVENTS = ["S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "S12", "S14"]
WITH_PAYMENTS = ["S19", "S20"]
UNSENT = ["S17", "S18"]  # the grant is used up and nothing was sent: never sent again, by design
AT_START = {"S4", "S14"}


async def _dies_at(cluster: Cluster, seam: str, times: int) -> int:
    """Start the worker with this failpoint once; how often it had died before."""
    print(f"{seam}:{times} {SEAMS[seam]}")
    deaths = cluster.running.supervisors[0].restarts
    await cluster.restart({"TREASURY_CRASH_AT": f"{seam}:{times}"})
    cluster.use({})
    return deaths


class TestSeams:
    def test_each_has_a_crash_of_its_own(self):
        elsewhere = {"S15"}  # tests/e2e/test_two_workers.py: needs a rebalance
        assert set(SEAMS) == {*WITH_EVENTS, *WITH_PAYMENTS, *UNSENT} | elsewhere

    async def test_a_crash_at_any_of_them_changes_nothing(self, home):
        seed = seed_of_run()
        dice = random.Random(seed)
        async with Cluster(home) as cluster:
            load = cluster.generate(seed, EVENTS)
            size = len(load.messages) // len(WITH_EVENTS) + 1
            for number, seam in enumerate(WITH_EVENTS):
                times = 1 if seam in AT_START else dice.randint(1, 2)
                deaths = await _dies_at(cluster, seam, times)
                await cluster.publish(load.messages[number * size : (number + 1) * size])
                await cluster.died(0, since=deaths)

            # One payment at a time: those that a crash catches between grant and send stay
            # unknown for minutes, by design.
            for number, seam in enumerate(WITH_PAYMENTS):
                deaths = await _dies_at(cluster, seam, 1)
                await cluster.pay([load.stories[number]])
                await cluster.died(0, since=deaths)
            await cluster.pay(load.stories[len(WITH_PAYMENTS) :])

            unsent = []
            for seam in UNSENT:
                deaths = await _dies_at(cluster, seam, 1)
                unsent.append(await cluster.begin_payment(load.stories[0], seam))
                await cluster.died(0, since=deaths)

            assert await cluster.differences() == []
            assert [await cluster.status_of(each) for each in unsent] == ["processing"] * 2
            effects = cluster.running.gateway.effects
            assert [key for key, count in effects.items() if count != 1] == []

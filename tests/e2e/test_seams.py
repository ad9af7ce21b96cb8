"""The process dies exactly where a crash would hurt most, once at every seam."""

import random

import pytest

from streams.signals import SEAMS
from tests.e2e.cluster import Cluster, seed_of_run

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

OTHERS = {"S15"}  # needs a rebalance: tests/e2e/test_two_workers.py
AT_START = {"S4", "S14"}
UNSENT = {"S17", "S18"}  # the grant is used up and nothing was sent: never sent again, by design
EVENTS = 4_000


class TestSeams:
    async def test_a_crash_at_any_of_them_changes_nothing(self, home):
        seed = seed_of_run()
        dice = random.Random(seed)
        seams = [seam for seam in SEAMS if seam not in OTHERS]
        async with Cluster(home) as cluster:
            load = cluster.generate(seed, EVENTS)
            size, share = len(load.messages) // len(seams) + 1, len(load.stories) // len(seams) + 1
            unsent: list[tuple[str, str]] = []
            for number, seam in enumerate(seams):
                times = 1 if seam in AT_START | UNSENT else dice.randint(1, 2)
                print(f"{seam}:{times} {SEAMS[seam]}")
                supervisor = cluster.running.supervisors[0]
                deaths = supervisor.restarts
                await cluster.restart({"TREASURY_CRASH_AT": f"{seam}:{times}"})
                cluster.use({})
                messages = load.messages[number * size : (number + 1) * size]
                stories = load.stories[number * share : (number + 1) * share]
                await cluster.publish(messages)
                if seam in UNSENT:
                    unsent.append(await cluster.begin_payment(stories[0], seam))
                    await cluster.died(0, since=deaths)
                else:
                    await cluster.pay(stories)
                    await cluster.died(0, since=deaths)
                    await cluster.settled()
            assert await cluster.differences() == []
            assert [await cluster.status_of(each) for each in unsent] == ["processing"] * 2
            effects = cluster.running.gateway.effects
            assert [key for key, count in effects.items() if count != 1] == []

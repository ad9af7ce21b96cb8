"""Workers and the broker die at random moments; not a cent, an event or an id may be off."""

import asyncio
import random

import pytest

from tests.e2e.cluster import Cluster, seed_of_run

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(420)]

EVENTS, WORKER_KILLS = 5_000, 5


async def _storm(cluster: Cluster, dice: random.Random) -> None:
    """Five SIGKILLs of the worker and one of the broker, each soon after it serves again."""
    broker_at = dice.randrange(WORKER_KILLS)
    for number in range(WORKER_KILLS):
        await asyncio.sleep(dice.uniform(0.05, 1.2))
        cluster.kill()
        if number == broker_at:
            await cluster.running.stack.kafka.kill()
            await asyncio.sleep(dice.uniform(0.1, 2))
            await cluster.running.stack.kafka.start()
        await cluster.died(0, since=number)
        await cluster.running.ready()


class TestCrashStorm:
    async def test_loses_and_doubles_nothing(self, home):
        seed = seed_of_run()
        dice = random.Random(seed)
        async with Cluster(home) as cluster:
            load = cluster.generate(seed, EVENTS)
            storm = asyncio.create_task(_storm(cluster, dice))
            await cluster.publish(load.messages)
            await storm
            await cluster.settled()
            # A call that is caught between grant and send stays unknown for minutes, by design:
            # payments meet their crashes at the seams.
            await cluster.pay(load.stories)
            assert await cluster.differences() == []
            gateway = cluster.running.gateway
            assert [key for key, times in gateway.effects.items() if times != 1] == []

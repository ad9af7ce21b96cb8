"""Two workers share the partitions: one dies, one freezes and wakes; nothing regresses."""

import asyncio
import os
import signal

import pytest

from agents.roles.process import EXIT_FENCED
from tests.e2e.cluster import Cluster, seed_of_run
from tests.e2e.group import serves

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(420)]


class TestTwoWorkers:
    async def test_a_frozen_one_is_replaced_and_its_late_appends_do_not_count(self, home):
        seed = seed_of_run()
        async with Cluster(home, workers=2) as cluster:
            load = cluster.generate(seed, 3_000)
            survivor, third = cluster.running.urls[1], len(load.messages) // 3
            first = asyncio.create_task(cluster.publish(load.messages[:third]))
            await asyncio.sleep(0.3)
            frozen = cluster.pid(0)
            os.kill(frozen, signal.SIGSTOP)
            await serves(survivor, 4)
            await first
            await cluster.publish(load.messages[third : 2 * third])
            os.kill(frozen, signal.SIGCONT)
            # It ends itself if it had something to append, else it joins as if it were new.
            await serves(cluster.running.urls[0], 2)
            assert set(cluster.running.supervisors[0].codes) <= {EXIT_FENCED}
            assert cluster.running.supervisors[1].codes == []
            await cluster.publish(load.messages[2 * third :])
            await cluster.pay(load.stories)
            assert await cluster.differences() == []

    async def test_a_killed_one_gets_its_partitions_back_and_both_answer_for_all(self, home):
        seed = seed_of_run()
        async with Cluster(home, workers=2) as cluster:
            load = cluster.generate(seed, 2_000)
            half = len(load.messages) // 2
            publishing = asyncio.create_task(cluster.publish(load.messages[:half]))
            await asyncio.sleep(0.3)
            cluster.kill(1)
            await cluster.died(1, since=0)
            await publishing
            await serves(cluster.running.urls[1], 2)
            await cluster.publish(load.messages[half:])
            stories = len(load.stories) // 2
            await cluster.pay(load.stories[:stories], cluster.running.urls[0])
            await cluster.pay(load.stories[stories:], cluster.running.urls[1])
            assert await cluster.differences() == []

    async def test_one_that_dies_while_its_partitions_are_revoked_loses_nothing(self, home):
        seed = seed_of_run()
        async with Cluster(home, workers=2) as cluster:
            load = cluster.generate(seed, 1_500)
            await cluster.running.supervisors[1].stop()
            await serves(cluster.running.urls[0], 4)
            await cluster.restart({"TREASURY_CRASH_AT": "S15:1"})
            cluster.use({})
            await serves(cluster.running.urls[0], 4)
            publishing = asyncio.create_task(cluster.publish(load.messages))
            await cluster.running.supervisors[1].start()
            await cluster.died(0, since=0)
            await publishing
            await cluster.pay(load.stories, cluster.running.urls[1])
            assert await cluster.differences() == []

"""What is gone comes back: the local folder from the changelog, all of Kafka from the archive."""

import asyncio

import nats
import pytest

from agents.roles.jetstream import OUTBOUND
from agents.roles.process import EXIT_REFUSED
from compose.repair import rebase, restore
from compose.topics import prepare_topics
from tests.e2e.cluster import Cluster, seed_of_run
from tests.e2e.flow import archived_seqs

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]


async def _outbound_count(cluster: Cluster) -> int:
    client = await nats.connect(cluster.running.endpoints.nats)
    try:
        return (await client.jetstream().stream_info(OUTBOUND)).state.last_seq
    finally:
        await client.close()


class TestRecovery:
    async def test_with_an_empty_folder_reaches_the_same_digest_from_the_changelog(self, home):
        seed = seed_of_run()
        async with Cluster(home) as cluster:
            await cluster.begin(seed, 2_000)
            cluster.kill()
            await cluster.lose_local_folder()
            # A digest that did not fit would have been noted before reading elsewhere.
            assert "recovery_reads" not in cluster.log()
            await cluster.finish()
            assert await cluster.differences() == []

    async def test_after_losing_kafka_publishes_and_calls_nothing_twice(self, home):
        seed = seed_of_run()
        async with Cluster(home) as cluster:
            load = await cluster.begin(seed, 2_000)
            await cluster.pay(load.stories[: len(load.stories) // 2])
            assert await cluster.differences() == []
            published, calls = (
                await _outbound_count(cluster),
                list(cluster.running.sandbox.instant.calls),
            )

            supervisor = cluster.running.supervisors[0]
            await supervisor.stop()
            await cluster.lose_kafka()
            await supervisor.start()
            async with asyncio.timeout(90):
                assert "treasury restore" in await _refusal(cluster)
            await restore(cluster.settings, print)
            await supervisor.stop()
            await supervisor.start()
            await cluster.running.ready()
            assert await cluster.differences() == []
            assert await _outbound_count(cluster) == published
            assert cluster.running.sandbox.instant.calls == calls

            await cluster.finish()
            assert await cluster.differences() == []

    async def test_goes_on_with_a_new_inbound_log_only_after_rebase(self, home):
        seed = seed_of_run()
        async with Cluster(home) as cluster:
            await cluster.begin(seed, 1_000)
            supervisor = cluster.running.supervisors[0]
            await supervisor.stop()
            await cluster.delete_topic(cluster.settings.topics.inbound.name)
            await prepare_topics(cluster.settings)
            await supervisor.start()
            async with asyncio.timeout(90):
                assert "treasury rebase" in await _refusal(cluster)
            before = await archived_seqs(cluster)
            await rebase(cluster.settings, list(range(cluster.settings.partitions)), print)
            await supervisor.stop()
            await supervisor.start()
            await cluster.running.ready()
            await cluster.finish()
            assert await cluster.differences() == []
            assert all(
                after > seq for after, seq in zip(await archived_seqs(cluster), before, strict=True)
            )


async def _refusal(cluster: Cluster) -> str:
    """What the worker says when it refuses to go on."""
    supervisor = cluster.running.supervisors[0]
    await supervisor.gave_up
    assert supervisor.codes[-1] == EXIT_REFUSED
    return cluster.log()

"""Logs that are not what they were: a worker refuses, names the command, and the command helps."""

import asyncio
from pathlib import Path

import pytest

from agents.roles.inlet import Inlet
from agents.roles.process import EXIT_REFUSED
from compose.repair import rebase, restore
from compose.topics import prepare_topics
from streams.inbound import Signer
from streams.kafka import PartitionReader
from tests.e2e.cluster import PATIENCE_S, Cluster, seed_of_run

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

CUT_RECORDS = 3
BATCH_HEADER_BYTES = 12  # Kafka's record batch: base offset (8), length of what follows (4)


def cut_tail(folder: Path, batches: int) -> None:
    """Cut the last batches off a partition's only segment, as a disk that lied would.

    https://kafka.apache.org/documentation/#recordbatch
    """
    (segment,) = folder.glob("*.log")
    data, starts, at = segment.read_bytes(), [], 0
    while at < len(data):
        starts.append(at)
        at += BATCH_HEADER_BYTES + int.from_bytes(data[at + 8 : at + 12], "big")
    segment.write_bytes(data[: starts[-batches]])
    for derived in [*folder.glob("*index"), *folder.glob("*.snapshot")]:
        derived.unlink()


async def _refuses(cluster: Cluster, command: str) -> None:
    """Start the worker: it must refuse to go on, and say what to run."""
    supervisor = cluster.running.supervisors[0]
    said = len(cluster.log())
    await supervisor.start()
    async with asyncio.timeout(PATIENCE_S):
        await supervisor.gave_up
    assert supervisor.codes[-1] == EXIT_REFUSED
    assert command in cluster.log()[said:]
    await supervisor.stop()


async def _end(cluster: Cluster, topic: str, partition: int) -> int:
    async with PartitionReader(cluster.settings.kafka, topic, partition) as reader:
        return (await reader.bounds())[1]


class TestAJournalWhoseTailIsCut:
    async def test_is_refused_and_restored(self, home):
        seed = seed_of_run()
        async with Cluster(home) as cluster:
            await cluster.begin(seed, 2_000)
            supervisor, kafka = cluster.running.supervisors[0], cluster.running.stack.kafka
            topics = cluster.settings.topics
            await supervisor.stop()
            end = await _end(cluster, topics.journal.name, 1)
            await kafka.kill()
            cut_tail(kafka.data_dir / f"{topics.journal.name}-1", CUT_RECORDS)
            await kafka.start()
            assert await _end(cluster, topics.journal.name, 1) == end - CUT_RECORDS
            await _refuses(cluster, "treasury restore")

            # What restore asks for: nothing of what was lost may be left anywhere in Kafka.
            for topic in (topics.journal, topics.changelog, topics.inbound):
                await cluster.delete_topic(topic.name)
            cluster.kafka_lost()
            await restore(cluster.settings, print)
            await supervisor.start()
            await cluster.running.ready()
            await cluster.finish()
            assert await cluster.differences() == []


class TestAnInboundLogThatIsAnother:
    async def test_is_refused_even_when_it_has_grown_longer_than_the_old_one(self, home):
        seed = seed_of_run()
        async with Cluster(home) as cluster:
            await cluster.begin(seed, 1_000)
            supervisor, settings = cluster.running.supervisors[0], cluster.settings
            name = settings.topics.inbound.name
            await supervisor.stop()
            ends = [await _end(cluster, name, partition) for partition in range(4)]
            await cluster.delete_topic(name)
            await prepare_topics(settings)
            await _fill(cluster, ends)
            await _refuses(cluster, "treasury rebase")

            await rebase(settings, list(range(settings.partitions)), print)
            await supervisor.start()
            await cluster.running.ready()
            await cluster.finish()
            assert await cluster.differences() == []


async def _fill(cluster: Cluster, ends: list[int]) -> None:
    """More ticks than the old log had records."""
    settings = cluster.settings
    inlet = Inlet(settings.kafka, Signer(settings.derived_key("inbound")), settings.topics)
    for partition, end in enumerate(ends):
        for number in range(end + 10):
            await inlet.say(
                partition,
                tenant_id="treasury",
                event_type="treasury.clock.ticked",
                event_id=f"tick-{partition}-{number}",
                data={},
            )
    await inlet.close()

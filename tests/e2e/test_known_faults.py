"""Known faults of the parts, brought about on purpose: not a cent, an event or an id may be off."""

import asyncio
import random
from collections.abc import Sequence

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from agents.roles.bridge import judge, kept
from agents.roles.inlet import Inlet
from streams.inbound import Signer, Stamp, pack
from streams.kafka import PartitionReader
from tests.e2e.cluster import PATIENCE_S, Cluster, seed_of_run
from tests.e2e.group import committed_offsets, group_of
from tests.model.generator import Message

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

STARTS = 50
STALL_S = 6
EXIT_BLOCKED = 1
COMPACTS_ALWAYS = {
    "segment.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "1000",
    "min.compaction.lag.ms": "0",
}


async def test_known_faults_change_nothing(home):
    seed = seed_of_run()
    async with Cluster(home, environment={"TREASURY_SESSION_TIMEOUT_S": "3"}) as cluster:
        await _compact_always(cluster)
        load = await cluster.begin(seed, 3_000)
        rest = [m for m in load.messages[len(load.messages) // 2 :] if m.after is None]
        await _handler_that_never_ends(cluster, rest[: len(rest) // 3])
        await _group_that_has_committed_too_much(cluster, rest[len(rest) // 3 :])
        await _compacted(cluster)
        await cluster.lose_local_folder()
        assert "recovery_reads" not in cluster.log(), "a compacted changelog is a whole one"
        await cluster.pay(load.stories)
        assert await cluster.differences() == []
        await _caught_up(cluster)


@pytest.mark.long
@pytest.mark.timeout(3_600)
async def test_fifty_starts_under_load_hang_not_once(home):
    """Stopped in order or killed, it serves again in time, and the group catches up."""
    seed = seed_of_run()
    dice = random.Random(seed)
    async with Cluster(home, environment={"TREASURY_SESSION_TIMEOUT_S": "3"}) as cluster:
        load = cluster.generate(seed, STARTS * 100)
        for number in range(STARTS):
            part = load.messages[number * 100 : (number + 1) * 100]
            publishing = asyncio.create_task(cluster.publish(part))
            await asyncio.sleep(dice.uniform(0, 0.3))
            if dice.random() < 0.5:
                deaths = cluster.running.supervisors[0].restarts
                cluster.kill()
                await cluster.died(0, since=deaths)
                await cluster.end_leases()
            else:
                await cluster.restart()
            await publishing
            await cluster.running.ready()
            await _caught_up(cluster)
        await cluster.pay(load.stories)
        assert await cluster.differences() == []


# -- a handler that never ends ---------------------------------------------------------------------


async def _handler_that_never_ends(cluster: Cluster, messages: Sequence[Message]) -> None:
    """The event loop is blocked while the group's heartbeats go on: the process has to end."""
    event_id = _new_order(cluster, messages)
    supervisor = cluster.running.supervisors[0]
    before = len(supervisor.codes)
    await cluster.release(
        {"TREASURY_TEST_NEVER_ENDS": event_id, "TREASURY_STALL_TIMEOUT_S": str(STALL_S)}
    )
    cluster.use({})
    await cluster.running.ready()
    await cluster.publish(messages)
    await cluster.died(0, since=before)
    assert supervisor.codes[before] == EXIT_BLOCKED
    assert "faulty.py" in cluster.log()
    await cluster.end_leases()
    await cluster.running.ready()


def _new_order(cluster: Cluster, messages: Sequence[Message]) -> str:
    """The event id of an order among these that was not sent before."""
    assert cluster.load is not None
    before = {m.raw for m in cluster.load.messages[: len(cluster.load.messages) // 2]}
    raws = (m.raw for m in messages if m.subject == "cafe.order.created" and not m.reason)
    return msgspec.json.decode(next(raw for raw in raws if raw not in before))["event_id"]


# -- a group that has committed what was never decided ---------------------------------------------


async def _group_that_has_committed_too_much(cluster: Cluster, messages: Sequence[Message]) -> None:
    """Its offset stands behind records that nobody decided, as after a wrong commit of Faust."""
    supervisor = cluster.running.supervisors[0]
    await supervisor.stop()
    await _append(cluster, messages)
    async with group_of(cluster) as (consumer, partitions):
        ends = await consumer.end_offsets(partitions)
        decided = await committed_offsets(consumer, partitions)
        assert any(ends[each] > decided[each] for each in partitions)
        async with asyncio.timeout(PATIENCE_S):
            while not await _commits(consumer, ends):  # until the worker's session is over
                await asyncio.sleep(0.2)
        assert await committed_offsets(consumer, partitions) == ends
    await cluster.running.stack.nats.kill()
    await supervisor.start()
    await cluster.running.ready()  # what needs no NATS does not wait for it
    await _caught_up(cluster)
    await cluster.running.stack.nats.start()


async def _append(cluster: Cluster, messages: Sequence[Message]) -> None:
    """Put messages into the inbound log as the bridge would."""
    settings = cluster.settings
    inlet = Inlet(settings.kafka, Signer(settings.derived_key("inbound")), settings.topics)
    for message in messages:
        partition, refused = judge(message.subject, message.raw, settings.partitions)
        value = kept(message.raw) if refused else pack([message.raw])
        await inlet.append(partition, stamp=Stamp("nats", refused), value=value)
    await inlet.close()
    cluster.remember(messages)


async def _commits(consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> bool:
    try:
        await consumer.commit(offsets)
    except KafkaError:
        return False
    return True


async def _caught_up(cluster: Cluster) -> None:
    """Return when all of the inbound log is decided and the group says so, too."""
    async with group_of(cluster) as (consumer, partitions), asyncio.timeout(PATIENCE_S):
        while await committed_offsets(consumer, partitions) != await consumer.end_offsets(
            partitions
        ):
            await asyncio.sleep(0.1)


# -- a changelog of which only the last version of every row is left -------------------------------


async def _compact_always(cluster: Cluster) -> None:
    topic = cluster.settings.topics.changelog
    configs = {**topic.config, **COMPACTS_ALWAYS}  # what is left out falls back to the default
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.settings.kafka)
    await admin.start()
    resource = ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=configs)
    await admin.alter_configs([resource])
    await admin.close()


async def _compacted(cluster: Cluster) -> None:
    """Return when every partition of the changelog has lost records to compaction."""
    settings = cluster.settings
    async with asyncio.timeout(PATIENCE_S):
        for partition in range(settings.partitions):
            while not await _has_lost_records(
                settings.kafka, settings.topics.changelog.name, partition
            ):
                await asyncio.sleep(0.5)


async def _has_lost_records(bootstrap: str, topic: str, partition: int) -> bool:
    async with PartitionReader(bootstrap, topic, partition) as reader:
        first, end = await reader.bounds()
        count = 0
        async for records in reader.read_range(first, end):
            count += len(records)
    return count < end - first

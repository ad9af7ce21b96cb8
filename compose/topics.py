"""Creates the topics and the genesis records of a new cluster, and checks those of an old one.

Refuses what could lose money: a topic with another retention, partition count or replication,
an empty journal beside a filled archive.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError

from agents.registry import RULES_VERSION
from compose.settings import Settings
from streams.errors import LogBetrayed, Misconfigured
from streams.journal import CODEC, NO_HASH, Genesis, Position
from streams.kafka import PartitionReader, open_producer
from streams.topics import Topic
from tables.postgres.archived import fix_partitions, last_record, require_partitions
from tables.postgres.pool import open_pool
from tables.recovery import beginning


async def prepare_topics(settings: Settings) -> list[str]:
    """Create what is missing, check what is there, begin new journals; says what it did."""
    done = [] if settings.embedded else await create_topics(settings)
    pool = await open_pool(settings.archiver_dsn, max_size=2)
    producer = await open_producer(settings.kafka)
    try:
        await fix_partitions(pool, settings.partitions)
        for partition in range(settings.partitions):
            if await _begin(settings, pool, producer, partition):
                done.append(f"journal {partition} begun")
    finally:
        await producer.stop()
        await pool.close()
    return done


async def require_topics(settings: Settings, archive: asyncpg.Pool) -> None:
    """See, before anything is read or decided, that topics and archive are those of the settings.

    A tenant's partition follows from their number: with another one it would get a second ledger.
    """
    await require_partitions(archive, settings.partitions)
    if not settings.embedded:  # that broker has no such settings
        async with _admin(settings) as admin:
            await _check(admin, settings)


async def create_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing and check all; says what it created."""
    async with _admin(settings) as admin:
        present = set(await admin.list_topics())
        missing = [topic for topic in settings.topics.all() if topic.name not in present]
        if missing:
            await _create(admin, settings, missing)
        await _check(admin, settings)
        return [f"topic {topic.name} created" for topic in missing]


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka, request_timeout_ms=20_000)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, settings: Settings, missing: list[Topic]) -> None:
    new = [
        NewTopic(
            topic.name,
            settings.partitions,
            settings.replication,
            topic_configs=_config(topic, settings),
        )
        for topic in missing
    ]
    answer = await admin.create_topics(new, timeout_ms=20_000)
    for name, code, *detail in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise Misconfigured(f"topic {name} was not created: {detail or code}")


def _config(topic: Topic, settings: Settings) -> dict[str, str]:
    """A topic's settings; two replicas in sync wherever there are three."""
    safe = {"min.insync.replicas": "2"} if settings.replication >= 3 else {}
    return {**topic.config, **safe}


async def _check(admin: AIOKafkaAdminClient, settings: Settings) -> None:
    for attempt in range(20):
        found = {topic["topic"]: topic for topic in await admin.describe_topics(_names(settings))}
        if all(found[n]["error_code"] == 0 and found[n]["partitions"] for n in _names(settings)):
            break
        await asyncio.sleep(0.1 * (attempt + 1))
    for topic in settings.topics.all():
        partitions = found[topic.name]["partitions"]
        if not partitions:
            raise Misconfigured(f"topic {topic.name} is missing: run `treasury topics`")
        if len(partitions) != settings.partitions:
            raise Misconfigured(
                f"{topic.name} has {len(partitions)} partitions, not {settings.partitions}"
            )
        replicas = min(len(partition["replicas"]) for partition in partitions)
        if replicas < settings.replication:
            raise Misconfigured(f"{topic.name} has {replicas} replicas, not {settings.replication}")
        actual = await _actual(admin, topic.name)
        for name, wanted in _config(topic, settings).items():
            if actual.get(name) != wanted:
                raise Misconfigured(f"{topic.name}: {name} is {actual.get(name)}, not {wanted}")


def _names(settings: Settings) -> list[str]:
    return [topic.name for topic in settings.topics.all()]


async def _actual(admin: AIOKafkaAdminClient, name: str) -> Mapping[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, name)
    (answer,) = await admin.describe_configs([resource])
    entries: Any = answer.resources[0][4]
    return {entry[0]: entry[1] for entry in entries}


async def _begin(
    settings: Settings, pool: asyncpg.Pool, producer: AIOKafkaProducer, partition: int
) -> bool:
    """Write the genesis record of a journal that never was."""
    async with PartitionReader(settings.kafka, settings.topics.journal.name, partition) as reader:
        if await beginning(reader) is not None:
            return False
    latest = await last_record(pool, partition)
    if latest is not None:
        raise LogBetrayed(
            f"journal {partition} is empty but its archive ends at seq {latest.seq}:"
            " Kafka lost its data, run `treasury restore`"
        )
    genesis = Genesis(
        uuid.uuid4().bytes,
        1,
        partition,
        settings.partitions,
        0,
        Position(1, 0, 0),
        NO_HASH,
        NO_HASH,
        RULES_VERSION,
        time.time_ns() // 1_000_000,
        b"\x00" * 16,
    )
    name = settings.topics.journal.name
    await producer.send_and_wait(name, CODEC.encode(genesis), partition=partition)
    return True

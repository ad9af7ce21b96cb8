"""The load of all benches: the demo's mix from a thousand tenants, one with a fifth of it.

Made before any clock starts, as the bytes that enter: records as the bridge packs them, or one
event a record as a foreign Kafka producer may write. The events are tests/model/generator's.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer

from agents.roles.bridge import judge, kept
from agents.roles.lanes import Carried, next_record
from streams.inbound import Signer, pack
from streams.kafka import open_producer
from streams.partitioner import partition_of
from tests.model.generator import Load, Message, generate

SEED = 1
"""One load for all runs, so that their figures can be compared."""
PARTITIONS = 8
POUR_TICK_S = 0.02
EVENTS_BEFORE_TENANTS_PER_TENANT = 3

Records = dict[int, list["Record"]]


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka record and the number of events in it."""

    value: bytes
    key: bytes | None = None
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    events: int = 1


def make_load(events: int, tenants: int, seed: int = SEED) -> Load:
    """The mix, dated now; begins with the tenants and their outlets."""
    return generate(
        seed, max(events, 8 * tenants), tenants=tenants, start_ms=time.time_ns() // 10**6
    )


def split(load: Load) -> tuple[Sequence[Message], Sequence[Message]]:
    """(what warms up: tenants and outlets, what is measured)."""
    warm = min(EVENTS_BEFORE_TENANTS_PER_TENANT * len(load.tenants), len(load.messages) // 2)
    return load.messages[:warm], load.messages[warm:]


def packed(messages: Iterable[Message], signer: Signer) -> Records:
    """Signed records by partition, packed by the bridge's own rules from a full backlog."""
    lanes: defaultdict[int, deque[Carried]] = defaultdict(deque)
    for message in messages:
        partition, refused = judge(message.subject, message.raw, PARTITIONS)
        value = kept(message.raw) if refused else message.raw
        lanes[partition].append(Carried("", value, refused, 0.0))
    records: Records = {}
    for partition, waiting in lanes.items():
        records[partition] = []
        while waiting:
            stamp, carried = next_record(waiting)
            values = [each.value for each in carried]
            value = values[0] if stamp.refused else pack(values)
            headers = list(signer.headers(stamp, partition, value))
            records[partition].append(Record(value, None, headers, len(values)))
    return records


def single(messages: Iterable[Message]) -> Records:
    """One event a record under its tenant's key, as Kafka's default partitioner places it."""
    records: Records = {}
    for message in messages:
        record = Record(message.raw, message.tenant_id.encode())
        records.setdefault(partition_of(message.tenant_id, PARTITIONS), []).append(record)
    return records


async def fill(bootstrap: str, topic: str, records: Records) -> dict[int, int]:
    """Append records in order; the end of each partition by its number."""
    producer = await open_producer(bootstrap)
    try:
        ends = {}
        for partition, some in records.items():
            ends[partition] = await _append(producer, topic, partition, some)
        return ends
    finally:
        await producer.stop()


async def _append(
    producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Record]
) -> int:
    builder, waiting, count = producer.create_batch(), [], 0
    for record in records:
        about = {"timestamp": None, "key": record.key, "value": record.value}
        if builder.append(**about, headers=record.headers) is None:
            waiting.append((count, await producer.send_batch(builder, topic, partition=partition)))
            builder, count = producer.create_batch(), 0
            builder.append(**about, headers=record.headers)
        count += 1
    waiting.append((count, await producer.send_batch(builder, topic, partition=partition)))
    end = 0
    for count, sent in waiting:
        end = (await sent).offset + count
    return end


def count_of(records: Records) -> int:
    """Events in these records."""
    return sum(record.events for some in records.values() for record in some)


async def pour(
    bootstrap: str, topic: str, messages: Sequence[Message], signer: Signer, *, events_per_s: float
) -> dict[int, int]:
    """Append so many events a second, packed as they come; the end of each partition.

    Open loop: what Kafka or the workers do with them changes nothing.
    """
    size = max(1, int(events_per_s * POUR_TICK_S))
    ticks = [packed(messages[at : at + size], signer) for at in range(0, len(messages), size)]
    producer = await open_producer(bootstrap)
    try:
        waiting = []
        started = time.monotonic()
        for number, records in enumerate(ticks):
            await asyncio.sleep(max(0.0, started + number * POUR_TICK_S - time.monotonic()))
            for partition, some in records.items():
                for record in some:
                    about = {"partition": partition, "headers": record.headers}
                    waiting.append((partition, await producer.send(topic, record.value, **about)))
        ends: dict[int, int] = {}
        for partition, sent in waiting:
            ends[partition] = (await sent).offset + 1
        return ends
    finally:
        await producer.stop()

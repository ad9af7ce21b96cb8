"""A bridge on real services, for its tests; run as a module it is a process that can be killed.

python -m tests.agents.roles.bridging KAFKA NATS NAME PARTITIONS
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import msgspec
import nats
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig
from nats.js.errors import NotFoundError

from agents.roles.bridge import Bridge
from agents.roles.inlet import Inlet
from streams.inbound import Signer, Stamp
from streams.journal import Position
from streams.kafka import PartitionReader, Record
from streams.topics import Topics

SIGNER = Signer(b"bridge test key, thirty-two bytes")
LOG = 1


@dataclass
class Place:
    """A stream, a consumer and an inbound topic that no other test uses, all called `name`."""

    kafka: str
    nats: str
    partitions: int
    name: str = field(default_factory=lambda: f"t{uuid4().hex[:12]}")
    ack_wait_s: float = 30.0

    @property
    def topics(self) -> Topics:
        return Topics(self.name)

    @property
    def event_type(self) -> str:
        return f"{self.name}.order.completed"

    async def ensure_consumer(self, client: Client) -> None:
        """Create the stream and the consumer unless they are there."""
        manager = client.jetstream()
        with suppress(NotFoundError):
            await manager.consumer_info(self.name, self.name)
            return
        await manager.add_stream(StreamConfig(name=self.name, subjects=[f"{self.name}.>"]))
        await manager.add_consumer(
            self.name,
            ConsumerConfig(
                durable_name=self.name,
                ack_policy=AckPolicy.EXPLICIT,
                max_deliver=-1,
                ack_wait=self.ack_wait_s,
                max_ack_pending=25_000,
            ),
        )

    def envelope(self, number: int, tenant: str | None = None, **changes) -> bytes:
        """Event `number`, of one of ten tenants."""
        members = {
            "event_id": f"event-{number}",
            "event_type": self.event_type,
            "tenant_id": tenant or f"tenant-{number % 10}",
            "timestamp": "2026-01-01T00:00:00Z",
            "data": {"number": number},
        }
        return msgspec.json.encode({**members, **changes})

    async def publish(self, client: Client, *messages: bytes, subject: str = "") -> None:
        """Publish, each until the stream has it."""
        stream = client.jetstream()
        for message in messages:
            await stream.publish(subject or self.event_type, message, timeout=30)

    async def records(self) -> list[tuple[int, Record, Stamp]]:
        """(partition, record, stamp) of everything in the inbound topic."""
        found = []
        for partition in range(self.partitions):
            name = self.topics.inbound.name
            async with PartitionReader(self.kafka, name, partition) as reader:
                async for some in reader.read_range(*await reader.bounds()):
                    found += [
                        (partition, each, SIGNER.read(each.headers, partition, each.value))
                        for each in some
                    ]
        return found

    async def numbers(self) -> list[int]:
        """The numbers of all events that were not refused, partition by partition."""
        return [
            event["data"]["number"]
            for _, record, stamp in await self.records()
            if not stamp.refused
            for event in msgspec.json.decode(record.value)
        ]


class Safe:
    """Progress: whatever is in Kafka is safe, while `open`; what is not yet is polled."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._consumer: AIOKafkaConsumer | None = None
        self._ends = dict.fromkeys(range(place.partitions), 0)
        self.log = LOG
        self.open = asyncio.Event()
        self.open.set()
        self._starting = asyncio.Lock()

    def get(self, partition: int) -> tuple[int, Position]:
        return 0, Position(self.log, self._ends[partition])

    async def wait_for(self, partition: int, position: Position, timeout_s: float) -> None:
        async with asyncio.timeout(timeout_s):
            while self.get(partition)[1] < position:
                await self.open.wait()
                await self._look(partition)
                await asyncio.sleep(0.01)

    async def wait_past(self, _partition: int, _seq: int, _timeout_s: float) -> None:
        """Never waited for: seq is 0 from the beginning."""

    async def _look(self, partition: int) -> None:
        async with self._starting:
            if self._consumer is None:
                consumer = AIOKafkaConsumer(bootstrap_servers=self._place.kafka)
                await consumer.start()
                self._consumer = consumer
        where = TopicPartition(self._place.topics.inbound.name, partition)
        with suppress(KafkaError):  # asked again, as real progress is through an outage
            self._ends[partition] = (await self._consumer.end_offsets([where]))[where]

    async def close(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()


async def _expected(_error: Exception) -> None:
    """Servers that are away are what some tests are about."""


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[Client]:
    """A connection to NATS with the stream and consumer in place."""
    client = await nats.connect(
        place.nats, max_reconnect_attempts=-1, reconnect_time_wait=0.2, error_cb=_expected
    )
    try:
        await place.ensure_consumer(client)
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def bridging(place: Place, safe: Safe | None = None, **limits) -> AsyncIterator[asyncio.Task]:
    """A running bridge with a connection and a producer of its own."""
    progress = safe or Safe(place)
    inlet = Inlet(place.kafka, SIGNER, place.topics)
    async with connected(place) as client:
        bridge = Bridge(
            client,
            inlet,
            progress,
            stream=place.name,
            consumer=place.name,
            partitions=place.partitions,
            ensure_consumer=lambda: place.ensure_consumer(client),
            ack_wait_s=place.ack_wait_s,
            **limits,
        )
        task = asyncio.create_task(bridge.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await inlet.close()
            await progress.close()


async def _run(place: Place) -> None:
    async with bridging(place) as task:
        await task


if __name__ == "__main__":
    _kafka, _nats, _name, _partitions = sys.argv[1:]
    asyncio.run(_run(Place(_kafka, _nats, int(_partitions), _name)))

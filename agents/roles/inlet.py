"""Our way into the inbound log: what is handed over here is appended, however long Kafka is away.

An append whose fate is unknown is made again by a new producer; the log may then hold it twice,
and the writer drops the second by its event id.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.roles.internal import append, append_internal
from agents.roles.outages import Backoff, is_outage
from streams.inbound import Signer, Stamp
from streams.kafka import open_producer
from streams.topics import Topics

log = structlog.get_logger(__name__)


class Inlet:
    """An idempotent producer that is replaced when it fails; appends wait, they never give up."""

    def __init__(self, bootstrap: str, signer: Signer, topics: Topics) -> None:
        self._bootstrap = bootstrap
        self._signer, self._topics = signer, topics
        self._producer: AIOKafkaProducer | None = None
        self._opening = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()

    async def append(self, partition: int, *, stamp: Stamp, value: bytes) -> int:
        """Append one record; returns the offset of the copy that Kafka acknowledged."""
        return await self._until_acknowledged(
            lambda producer: append(
                producer, self._signer, self._topics, partition, stamp=stamp, value=value
            )
        )

    async def say(
        self,
        partition: int,
        *,
        tenant_id: str,
        event_type: str,
        event_id: str,
        data: Mapping[str, Any],
    ) -> int:
        """Append one internal event; returns its offset."""
        return await self._until_acknowledged(
            lambda producer: append_internal(
                producer,
                self._signer,
                self._topics,
                partition,
                tenant_id=tenant_id,
                event_type=event_type,
                event_id=event_id,
                data=data,
            )
        )

    async def close(self) -> None:
        """Let go of the producer; what waits for an ack is the caller's to cancel."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await abandon(producer)
        await asyncio.gather(*self._ending)

    async def _until_acknowledged(
        self, attempt: Callable[[AIOKafkaProducer], Awaitable[int]]
    ) -> int:
        backoff = Backoff()
        while True:
            producer: AIOKafkaProducer | None = None
            try:
                producer = await self._open()
                return await attempt(producer)
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("outage", what="the inbound log", error=repr(error))
                self._replace(producer)
            await backoff.pause()

    async def _open(self) -> AIOKafkaProducer:
        async with self._opening:
            if self._producer is None:
                self._producer = await open_producer(self._bootstrap)
            return self._producer

    def _replace(self, failed: AIOKafkaProducer | None) -> None:
        # Several appends fail with one producer: only the first of them ends it.
        if failed is None or failed is not self._producer:
            return
        self._producer = None
        task = asyncio.create_task(abandon(failed))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


async def abandon(producer: AIOKafkaProducer) -> None:
    """End a producer without waiting for what it still wants to send.

    Its `stop` waits until every batch is delivered, which is for ever while the broker is away,
    and after a failed batch of an idempotent producer every later one fails too.
    """
    sender = producer._sender.sender_task  # noqa: SLF001  the library offers no other way
    if not sender.done():
        sender.cancel()
        await asyncio.wait([sender])
    producer._message_accumulator.fail_all(KafkaError("abandoned"))  # noqa: SLF001
    await producer.stop()

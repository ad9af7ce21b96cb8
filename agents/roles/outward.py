"""One outbound event on its two ways out: JetStream and the Kafka topic of events.

Both carry the bytes of the journal under the event's own id, as CloudEvents in binary mode, so
that publishing again changes nothing for a consumer that remembers ids.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aiokafka import AIOKafkaProducer
from nats.aio.client import Client

from agents.roles.jetstream import OUTBOUND
from streams.journal import Emitted
from streams.timestamps import format_ms

WINDOW = 512
ACKS_WITHIN_S = 20.0
SOURCE = "treasury"


@dataclass(frozen=True, slots=True)
class Outbound:
    """An event to publish, with what its headers need beyond the event itself."""

    event: Emitted
    tenant_id: str
    now_ms: int

    def attributes(self) -> dict[str, str]:
        """CloudEvents 1.0 attributes without prefix; the subject is the tenant."""
        return {
            "id": self.event.event_id,
            "type": self.event.event_type,
            "source": SOURCE,
            "specversion": "1.0",
            "time": format_ms(self.now_ms),
            "subject": self.tenant_id,
        }


class Outward:
    """Publishes events of one partition; at most `WINDOW` of them wait for their acks."""

    def __init__(self, client: Client, topic: str) -> None:
        self._jetstream = client.jetstream(publish_async_max_pending=2 * WINDOW)
        self._topic = topic

    async def publish(self, producer: AIOKafkaProducer, events: Sequence[Outbound]) -> None:
        """Return when both have acknowledged all; any error leaves open which were published."""
        waiting = iter(events)
        while window := list(islice(waiting, WINDOW)):
            attributes = [outbound.attributes() for outbound in window]
            acks: list[asyncio.Future[Any]] = []
            try:
                async with asyncio.timeout(ACKS_WITHIN_S):
                    for outbound, about in zip(window, attributes, strict=True):
                        acks.append(await self._to_kafka(producer, outbound, about))
                        acks.append(await self._to_nats(outbound, about))
                    await asyncio.gather(*acks)
            finally:
                _forget(acks)

    async def _to_nats(self, outbound: Outbound, about: dict[str, str]) -> asyncio.Future[Any]:
        headers = {f"ce-{name}": value for name, value in about.items()}
        headers["Nats-Msg-Id"] = outbound.event.event_id
        headers["Content-Type"] = "application/json"
        event = outbound.event
        ack: asyncio.Future[Any] = await self._jetstream.publish_async(
            event.event_type, event.body, stream=OUTBOUND, headers=headers
        )
        return ack

    async def _to_kafka(
        self, producer: AIOKafkaProducer, outbound: Outbound, about: dict[str, str]
    ) -> asyncio.Future[Any]:
        headers = [(f"ce_{name}", value.encode()) for name, value in about.items()]
        headers.append(("content-type", b"application/json"))
        ack: asyncio.Future[Any] = await producer.send(
            self._topic, outbound.event.body, key=outbound.tenant_id.encode(), headers=headers
        )
        return ack


def _forget(acks: Sequence[asyncio.Future[Any]]) -> None:
    """Nobody waits for these any more; one error has been raised for all."""
    for ack in acks:
        if not ack.cancel() and not ack.cancelled():
            ack.exception()

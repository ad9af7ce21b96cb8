"""One outbound event on its two ways out: JetStream and the Kafka topic of events.

Both carry the bytes of the journal under the event's own id, as CloudEvents in binary mode, so
that publishing again changes nothing for a consumer that remembers ids. The acks of JetStream are
read here, because the client's own asynchronous publishing loses a place for every failure.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import Header
from nats.js.errors import APIError, NoStreamResponseError

from agents.roles.jetstream import OUTBOUND
from streams.journal import Emitted
from streams.money import plain
from streams.timestamps import format_ms

WINDOW = 512
ACKS_WITHIN_S = 20.0
SOURCE = "treasury"
_NO_RESPONDERS = "503"


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
    """Publishes events of one partition; at most `WINDOW` of them wait for their acks.

    Use as `async with`: it listens for acks on a subject of its own.
    """

    def __init__(self, client: Client, topic: str) -> None:
        self._client = client
        self._topic = topic
        self._inbox = client.new_inbox()
        self._published = 0
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._subscription: Subscription | None = None

    async def __aenter__(self) -> Self:
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._on_ack)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._subscription is not None and not self._client.is_closed:
            await self._subscription.unsubscribe()

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
                self._waiting.clear()

    async def _to_nats(self, outbound: Outbound, about: dict[str, str]) -> asyncio.Future[Any]:
        headers = {f"ce-{name}": value for name, value in about.items()}
        headers[Header.MSG_ID] = outbound.event.event_id
        headers[Header.EXPECTED_STREAM] = OUTBOUND
        headers["Content-Type"] = "application/json"
        event = outbound.event
        self._published += 1
        reply = f"{self._inbox}.{self._published}"
        ack: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[reply] = ack  # before the publish: the answer may come during it
        await self._client.publish(event.event_type, event.body, reply=reply, headers=headers)
        return ack

    async def _on_ack(self, message: Msg) -> None:
        """An ack, or a refusal, of one publish; of one given up on, nothing."""
        ack = self._waiting.pop(message.subject, None)
        if ack is None or ack.done():
            return
        if (message.headers or {}).get(Header.STATUS) == _NO_RESPONDERS:
            ack.set_exception(NoStreamResponseError())
            return
        answer = plain(message.data)
        if error := answer.get("error"):
            ack.set_exception(APIError(**error))
        else:
            ack.set_result(answer)

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

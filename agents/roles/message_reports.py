"""What the notifications service reports of our messages, from JetStream to their rows.

The last step of a message, and nothing else: a report enters neither log nor journal, because it
moves no money and names people's addresses, which are left where they are. Workers share one
durable consumer, and hearing a report twice changes nothing.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NoReturn

import asyncpg
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from agents.roles.counters import MESSAGES
from agents.roles.jetstream import (
    REPORTS,
    REPORTS_CONSUMER,
    ensure_consumer,
    ensure_stream,
    reports_consumer,
    reports_stream,
)
from agents.roles.outages import Backoff, is_outage, through_outages
from agents.roles.pulling import Puller
from agents.roles.secret_store import now_utc
from connectors.notifications.delivery import SUBJECT, Delivery, delivery_of
from connectors.reading import Unreadable
from tables.postgres.messages import Report, note_report

AT_ONCE, BYTES_AT_ONCE = 100, 1024 * 1024
ANSWERED = b""
"""An empty answer is an acknowledgement."""

log = structlog.get_logger(__name__)


class MessageReports:
    """Hears reports in one worker; `run` for ever."""

    def __init__(
        self,
        client: Client,
        pool: asyncpg.Pool,
        *,
        replicas: int = 1,
        now: Callable[[], datetime] = now_utc,
    ) -> None:
        self._client, self._pool, self._replicas, self._now = client, pool, replicas, now

    async def run(self) -> NoReturn:
        """Hear reports. Raises `Misconfigured` where our consumer is not as it must be."""
        backoff = Backoff(longest_s=30.0)
        while True:
            try:
                await self._hear(await self._ensure())
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("outage", what="reports of messages", error=type(error).__name__)
            await backoff.pause()

    async def _ensure(self) -> str:
        """The stream that reports are in: whose it is, if somebody keeps them, else our own."""
        jetstream = self._client.jetstream()
        stream = await self._stream(jetstream)
        await ensure_consumer(jetstream, stream, reports_consumer(SUBJECT))
        return stream

    async def _stream(self, jetstream: JetStreamContext) -> str:
        try:
            return str(await jetstream.find_stream_name_by_subject(SUBJECT))
        except NotFoundError:
            wanted = reports_stream(SUBJECT, replicas=self._replicas)
            await ensure_stream(jetstream, wanted)
            return REPORTS

    async def _hear(self, stream: str) -> None:
        """Until the consumer is in trouble: it may be gone."""
        puller = Puller(self._client, stream, REPORTS_CONSUMER)
        await puller.start()
        try:
            while not puller.trouble:
                if puller.idle:
                    await puller.ask(AT_ONCE, max(BYTES_AT_ONCE, puller.least_bytes))
                for message in await puller.take():
                    await self._take(message)
            log.warning("pull refused", trouble=puller.trouble)
        finally:
            await puller.stop()

    async def _take(self, message: Msg) -> None:
        outcome = await through_outages(partial(self._noted, message.data))
        if outcome:
            MESSAGES.labels(outcome).inc()
        await self._client.publish(message.reply, ANSWERED)

    async def _noted(self, body: bytes) -> str:
        """What came of it, in a word for metrics; empty for a report about somebody else's message.

        One that is none is left: there is nobody to send it back to.
        """
        try:
            told = delivery_of(body)
        except Unreadable as error:
            log.warning("report cannot be read", error=str(error))
            return "report_unreadable"
        if told is None:
            return ""
        async with self._pool.acquire() as connection, connection.transaction():
            found = await note_report(connection, report_of(told), self._now())
        return told.status if found else "report_of_nothing"


def report_of(told: Delivery) -> Report:
    """A report as rows know it."""
    return Report(
        told.tenant_id,
        told.reference_type,
        told.reference_id,
        told.channel,
        told.template,
        told.request_id,
        told.status,
        told.error,
    )

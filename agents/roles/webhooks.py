"""The webhooks role: what was emitted goes to the tenants' own endpoints, at least once each.

A crash repeats an attempt, under the same event id. Retries follow Standard Webhooks; an endpoint
that answers 410 is disabled. A lane is an endpoint.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

import asyncpg
import structlog

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.carrier import Carrier, Lane, moment
from agents.roles.counters import WEBHOOKS
from agents.roles.lease import Owner
from agents.roles.outages import through_outages
from agents.roles.secret_store import SecretStore, now_utc
from agents.roles.tail import Archived
from connectors.webhooks.sender import GONE, Attempt, Sender
from streams.errors import Unreadable
from streams.journal import Batch
from tables.postgres import webhooks as rows
from tables.postgres.webhooks import Due, NewDelivery

RETRY_AFTER: tuple[timedelta, ...] = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""Pauses after each failed attempt (standardwebhooks.com, "deliverability and reliability")."""
KEPT_FOR = timedelta(days=30)

log = structlog.get_logger(__name__)


def secret_name(endpoint_id: str) -> str:
    """Where an endpoint's signing secret is kept."""
    return f"webhook.{endpoint_id}"


def previous_name(endpoint_id: str) -> str:
    """Where the secret before it is kept, which signs for a while beside it."""
    return f"{secret_name(endpoint_id)}.previous"


def secret_names(endpoint_id: str) -> tuple[str, str]:
    """Where all secrets of an endpoint are kept."""
    return secret_name(endpoint_id), previous_name(endpoint_id)


class Webhooks(Carrier[Due]):
    """Carries events of partitions; `run` one of it per partition."""

    role, at_once = "webhooks", 64

    def __init__(
        self,
        pool: asyncpg.Pool,
        archived: ArchiveProgress,
        owner: Owner,
        *,
        secrets: SecretStore,
        sender: Sender,
        now: Callable[[], datetime] = now_utc,
    ) -> None:
        super().__init__(pool, archived, owner, now=now)
        self._secrets, self._sender = secrets, sender

    # -- archive to rows --------------------------------------------------------------------------

    async def _make(self, partition: int, records: Sequence[Archived]) -> bool:
        entries = [
            entry
            for record in records
            if isinstance(record, Batch)
            for entry in record.entries
            if entry.emitted
        ]
        if not entries:
            return False
        async with self._pool.acquire() as connection:
            found = await rows.listening(connection, {entry.tenant_id for entry in entries})
            if not found:
                return False
            deliveries = [
                NewDelivery(
                    entry.tenant_id,
                    endpoint["endpoint_id"],
                    event.event_id,
                    event.event_type,
                    partition,
                    event.body,
                )
                for entry in entries
                for endpoint in found
                if endpoint["tenant_id"] == entry.tenant_id
                for event in entry.emitted
                if not endpoint["event_types"] or event.event_type in endpoint["event_types"]
            ]
            await rows.insert_deliveries(connection, deliveries, self._now())
        return bool(deliveries)

    # -- rows to endpoints ------------------------------------------------------------------------

    async def _some_due(
        self, connection: asyncpg.Connection, partition: int, busy: set[Lane], limit: int
    ) -> list[Due]:
        return await rows.due_deliveries(
            connection, partition, busy=busy, now=self._now(), limit=limit
        )

    async def _try(self, due: Due) -> bool:
        attempt = await self._sent(due)
        WEBHOOKS.labels("delivered" if attempt.delivered else "failed").inc()
        await through_outages(partial(self._note, due, attempt))
        return 0 < attempt.status < 500

    async def _sent(self, due: Due) -> Attempt:
        try:
            found = await self._secrets.resolve(due.tenant_id, secret_name(due.endpoint_id))
        except Unreadable:
            log.critical("secret does not open", tenant_id=due.tenant_id, name="webhook")
            return Attempt(0, "not signed: its secret cannot be read", 0)
        current, previous = map(found.get, secret_names(due.endpoint_id))
        if current is None:
            return Attempt(0, "not signed: it has no secret", 0)
        secrets = [current.value.get_secret_value()]
        if previous is not None and (due.previous_until or self._now()) > self._now():
            secrets.append(previous.value.get_secret_value())
        return await self._sender.send(due.url, due.event_id, due.body, secrets)

    async def _note(self, due: Due, attempt: Attempt) -> None:
        now = self._now()
        ended = due.attempts >= len(RETRY_AFTER)
        if attempt.delivered:
            state, next_at = "delivered", now
        elif ended:
            state, next_at = "failed", now
        else:
            state, next_at = "pending", now + RETRY_AFTER[due.attempts]
        said = {
            "at": moment(now),
            "status": attempt.status,
            "error": attempt.error,
            "duration_ms": attempt.duration_ms,
        }
        async with self._pool.acquire() as connection, connection.transaction():
            await rows.note_attempt(connection, due, said, state=state, next_at=next_at, now=now)
            if attempt.status == GONE:
                await rows.set_status(
                    connection, *due.lane, "disabled", reason="it answered 410 Gone", now=now
                )

    async def _forget(self, connection: asyncpg.Connection, partition: int) -> None:
        await rows.forget_deliveries(connection, partition, self._now() - KEPT_FOR)

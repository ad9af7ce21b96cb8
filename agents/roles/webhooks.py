"""The webhooks role: what was emitted goes to the tenants' own endpoints, at least once each.

Two halves, of one partition each: the reader puts archived events on their way as rows, the
carrier takes what is due from the rows. A crash repeats an attempt, under the same event id.
Retries follow Standard Webhooks; an endpoint that answers 410 is disabled; a slow or dead one holds
up no other.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import NoReturn

import asyncpg
import structlog

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.counters import WEBHOOKS
from agents.roles.follow import Bookmark, follow_archive
from agents.roles.lease import Lease, Owner, Progress, run_leased
from agents.roles.outages import through_outages, uninterrupted
from agents.roles.secret_store import SecretStore, now_utc
from agents.roles.tail import Archived
from connectors.breaker import Breaker
from connectors.webhooks.sender import GONE, Attempt, Sender
from streams.errors import Unreadable
from streams.journal import Batch
from tables.postgres import webhooks as rows
from tables.postgres.webhooks import Due, NewDelivery

ROLE = "webhooks"
RETRY_AFTER: tuple[timedelta, ...] = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""Pauses after each failed attempt (standardwebhooks.com, "deliverability and reliability")."""
AT_ONCE, AT_ONCE_AN_ENDPOINT = 64, 4
LOOK_EVERY_S = 1.0
"""For what others put on its way, and for what is due again."""
GATHER_S, MANY = 0.4, 32
"""Pause between readings, so that one look for endpoints is for many records; not in a backlog."""
KEPT_FOR = timedelta(days=30)
FORGET_EVERY_S = 3_600.0

log = structlog.get_logger(__name__)


def secret_name(endpoint_id: str) -> str:
    """Where an endpoint's signing secret is kept; the one before it under `.previous`."""
    return f"webhook.{endpoint_id}"


class Webhooks:
    """Carries events of partitions; `run` one of it per partition."""

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
        self._pool, self._archived, self._owner = pool, archived, owner
        self._secrets, self._sender, self._now = secrets, sender, now
        self._breakers: dict[tuple[str, str], Breaker] = {}

    async def run(self, partition: int) -> NoReturn:
        """Carry this partition's events whenever its lease is ours."""
        lease = Lease(self._pool, ROLE, partition, self._owner)
        await run_leased(lease, partial(self._work, lease))

    async def _work(self, lease: Lease, progress: Progress) -> None:
        came = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(uninterrupted(self._read(lease, progress.seq, came)))
                tasks.create_task(uninterrupted(self._carry(lease.partition, came)))
                tasks.create_task(uninterrupted(self._forget(lease.partition)))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group

    # -- archive to rows --------------------------------------------------------------------------

    async def _read(self, lease: Lease, seq: int, came: asyncio.Event) -> None:
        bookmark = Bookmark(self._pool, lease, seq)
        async for records in follow_archive(self._pool, self._archived, lease.partition, seq):
            if not records:
                await bookmark.store()
                continue
            if await self._put_on_their_way(lease.partition, records):
                came.set()
            await bookmark.move(records[-1].seq)
            if len(records) < MANY:
                await asyncio.sleep(GATHER_S)

    async def _put_on_their_way(self, partition: int, records: Sequence[Archived]) -> bool:
        """Whether anything is."""
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

    async def _carry(self, partition: int, came: asyncio.Event) -> NoReturn:
        carrying: dict[asyncio.Task[None], Due] = {}
        try:
            while True:
                for due in await self._due(partition, carrying.values()):
                    task = asyncio.create_task(self._attempt(due))
                    task.add_done_callback(lambda _task: came.set())
                    carrying[task] = due
                with suppress(TimeoutError):  # then it looks again, as it does when woken
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await came.wait()
                came.clear()
                for task in [task for task in carrying if task.done()]:
                    del carrying[task]
                    task.result()
        finally:
            for task in carrying:
                task.cancel()
            await asyncio.gather(*carrying, return_exceptions=True)

    async def _due(self, partition: int, carried: Iterable[Due]) -> list[Due]:
        """What may be sent now beside what is carried: none of it twice, few to one endpoint."""
        carried = list(carried)
        loads = Counter(due.endpoint for due in carried)
        busy = [endpoint for endpoint, load in loads.items() if load >= AT_ONCE_AN_ENDPOINT]
        busy += [endpoint for endpoint, each in self._breakers.items() if each.state == "open"]
        async with self._pool.acquire() as connection:
            found = await rows.due_deliveries(
                connection, partition, busy=busy, now=self._now(), limit=2 * AT_ONCE
            )
        under_way = {(*due.endpoint, due.event_id) for due in carried}
        chosen: list[Due] = []
        for due in found:
            if (*due.endpoint, due.event_id) in under_way:
                continue
            if len(under_way) >= AT_ONCE or loads[due.endpoint] >= AT_ONCE_AN_ENDPOINT:
                continue
            if self._breaker(due).admit():
                chosen.append(due)
                under_way.add((*due.endpoint, due.event_id))
                loads[due.endpoint] += 1
        return chosen

    async def _attempt(self, due: Due) -> None:
        breaker = self._breaker(due)
        try:
            attempt = await self._sent(due)
        except BaseException:
            breaker.abandoned()
            raise
        if attempt.status and attempt.status < 500:
            breaker.succeeded()
        else:
            breaker.failed()
        WEBHOOKS.labels("delivered" if attempt.delivered else "failed").inc()
        await through_outages(partial(self._note, due, attempt))

    async def _sent(self, due: Due) -> Attempt:
        try:
            found = await self._secrets.resolve(due.tenant_id, secret_name(due.endpoint_id))
        except Unreadable:
            log.critical("secret does not open", tenant_id=due.tenant_id, name="webhook")
            return Attempt(0, "not signed: its secret cannot be read", 0)
        current = found.get(secret_name(due.endpoint_id))
        previous = found.get(f"{secret_name(due.endpoint_id)}.previous")
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
            "at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "status": attempt.status,
            "error": attempt.error,
            "duration_ms": attempt.duration_ms,
        }
        async with self._pool.acquire() as connection, connection.transaction():
            await rows.note_attempt(connection, due, said, state=state, next_at=next_at, now=now)
            if attempt.status == GONE:
                await rows.set_status(
                    connection, *due.endpoint, "disabled", reason="it answered 410 Gone", now=now
                )

    def _breaker(self, due: Due) -> Breaker:
        return self._breakers.setdefault(due.endpoint, Breaker())

    async def _forget(self, partition: int) -> NoReturn:
        while True:
            async with self._pool.acquire() as connection:
                await rows.forget_deliveries(connection, partition, self._now() - KEPT_FOR)
            await asyncio.sleep(FORGET_EVERY_S)

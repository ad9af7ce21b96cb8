"""The messages role: what payers are told of invoices and payments, once by each channel.

Messages are made of archived events, for customers whom their tenant has told us of, once the read
models have them; what is due is handed to the notifications service. A lane is a tenant's channel.
Never logs an address, nor a message's data.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import asyncpg
import structlog

from agents.accounting.dunning import UNDUNNED
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.carrier import Carrier, Lane, moment
from agents.roles.composing import Unsent, compose, contact_of
from agents.roles.counters import MESSAGES
from agents.roles.lease import Owner
from agents.roles.outages import through_outages
from agents.roles.secret_store import now_utc
from agents.roles.tail import Archived
from connectors.base import CallError, NotSent, Refused, TurnedAway
from connectors.notifications.client import Accepted
from connectors.notifications.translate import CHANNELS, TOLD, Letter, Message, letter_of
from connectors.reading import Unreadable as NoLetter
from streams.errors import Misconfigured, Unreadable
from streams.journal import Batch, Emitted
from tables.postgres import messages as rows
from tables.postgres.contacts import ContactRow, contacts_of, tenants_with_contacts
from tables.postgres.lookups import projected_seq
from tables.postgres.messages import Due, NewMessage, Noted

RETRY_AFTER: tuple[timedelta, ...] = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 36_000)
)
"""Pauses after each attempt that may help to repeat; together less than `KEY_KNOWN_FOR`."""
KEY_KNOWN_FOR = timedelta(hours=23)
"""The service knows a key for a day (its API contract); later a repeat would write twice."""
NEWS_FOR = timedelta(days=3)
"""Older things are not told any more: an event that was read late, a message that waited long."""
REST_MAX = timedelta(days=1)
PROJECTED_POLL_S = 0.1
KEPT_FOR = timedelta(days=90)
MAY_HELP = frozenset({"no_credit", "not_configured"})
"""Refusals that somebody's doing may end: a balance that is topped up, a key that is set."""

log = structlog.get_logger(__name__)


class Sends(Protocol):
    """Who hands messages to the service (agents/roles/notifier.py)."""

    async def send(self, message: Message) -> Accepted:
        """Have it sent. Raises `CallError`, `Misconfigured`, `Unreadable`."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attempt; a `failure` ends the message unless it may help to wait."""

    outcome: str  # accepted, not_sent, unclear, busy, refused
    reason: str = ""
    failure: str = ""
    request_id: str = ""
    retry_after_s: float = 0.0

    @property
    def is_answer(self) -> bool:
        """Whether the service has answered, whatever it said."""
        return self.outcome in {"accepted", "busy", "refused"}


class Messages(Carrier[Due]):
    """Carries messages of partitions; `run` one of it per partition.

    `told` are the types of events that we write about: others are left to whoever hears them.
    `pages` is where payers reach us, without a trailing slash.
    """

    role, at_once = "messages", 32

    def __init__(
        self,
        pool: asyncpg.Pool,
        archived: ArchiveProgress,
        owner: Owner,
        *,
        sender: Sends,
        pages: str,
        told: Iterable[str] = TOLD,
        now: Callable[[], datetime] = now_utc,
    ) -> None:
        super().__init__(pool, archived, owner, now=now)
        self._sender, self._pages = sender, pages
        self._told = frozenset(told) & TOLD

    # -- archive to rows --------------------------------------------------------------------------

    def _events(self, records: Sequence[Archived]) -> Iterator[Emitted]:
        """What is to be told, and is still news."""
        oldest_ms = int((self._now() - NEWS_FOR).timestamp() * 1_000)
        for record in records:
            if isinstance(record, Batch) and record.now_ms >= oldest_ms:
                for entry in record.entries:
                    yield from (each for each in entry.emitted if each.event_type in self._told)

    async def _make(self, partition: int, records: Sequence[Archived]) -> bool:
        events = self._events(records)
        letters = [(event, letter) for event in events if (letter := _letter(event)) is not None]
        if not letters:
            return False
        async with self._pool.acquire() as connection:
            tenants = {letter.tenant_id for _, letter in letters}
            known = await tenants_with_contacts(connection, tenants)
        letters = [each for each in letters if each[1].tenant_id in known]
        if not letters:
            return False
        while await projected_seq(self._pool, partition) < records[-1].seq:  # noqa: ASYNC110  no signal
            await asyncio.sleep(PROJECTED_POLL_S)
        async with self._pool.acquire() as connection:
            found = await _messages(connection, partition, letters)
            await rows.insert_messages(connection, found, self._now())
        return bool(found)

    # -- rows to the service ----------------------------------------------------------------------

    async def _some_due(
        self, connection: asyncpg.Connection, partition: int, busy: set[Lane], limit: int
    ) -> list[Due]:
        return await rows.due_messages(
            connection, partition, busy=busy, now=self._now(), limit=limit
        )

    async def _try(self, due: Due) -> bool | None:
        now = self._now()
        prepared = await through_outages(partial(self._prepared, due, now))
        if isinstance(prepared, Unsent):
            await through_outages(partial(self._end, due, prepared, now))
            return None
        message, doubtful_since = prepared
        attempt = await through_outages(partial(self._tried, message))
        await through_outages(partial(self._note, due, attempt, doubtful_since))
        return attempt.is_answer

    async def _prepared(self, due: Due, now: datetime) -> tuple[Message, datetime] | Unsent:
        """The message, of which is noted that it may be sent; and since when it may have been."""
        async with self._pool.acquire() as connection:
            if now - due.created_at > NEWS_FOR:
                return Unsent("parked", "too_late")
            if due.doubtful_since is not None and now - due.doubtful_since > KEY_KNOWN_FOR:
                return Unsent("parked", "unknown")
            message = await compose(connection, due, self._pages)
            if isinstance(message, Unsent):
                return message
            doubtful_since = await rows.begin(connection, due, now)
        if doubtful_since is None:  # a report has ended it meanwhile
            return Unsent("withdrawn", "reported")
        return message, doubtful_since

    async def _end(self, due: Due, unsent: Unsent, now: datetime) -> None:
        async with self._pool.acquire() as connection:
            await rows.end_unsent(connection, due, unsent.state, unsent.reason, now)
        MESSAGES.labels(unsent.state).inc()

    async def _tried(self, message: Message) -> Attempt:
        try:
            accepted = await self._sender.send(message)
        except CallError as error:
            return _failed(error)
        except (Misconfigured, Unreadable) as error:
            log.warning("notifications not usable", tenant_id=message.tenant_id, error=str(error))
            return Attempt("refused", "not_configured", "not_configured")
        outcome = "accepted"
        return Attempt(outcome, "duplicate" * accepted.duplicate, request_id=accepted.request_id)

    async def _note(self, due: Due, attempt: Attempt, doubtful_since: datetime) -> None:
        noted = self._noted(due, attempt, doubtful_since)
        said = {
            "at": moment(self._now()),
            "outcome": attempt.outcome,
            "reason": attempt.reason,
            "request_id": attempt.request_id,
        }
        async with self._pool.acquire() as connection:
            await rows.note_attempt(connection, due, noted, said)
        MESSAGES.labels(noted.state if noted.state != "pending" else "repeated").inc()

    def _noted(self, due: Due, attempt: Attempt, doubtful_since: datetime) -> Noted:
        """What becomes of the message: an attempt that certainly did nothing leaves no doubt."""
        now = self._now()
        if attempt.outcome == "accepted":
            return Noted("accepted", now, attempt.reason, attempt.request_id)
        since = doubtful_since if attempt.outcome == "unclear" else due.doubtful_since
        if attempt.failure and attempt.failure not in MAY_HELP:
            return Noted("parked", now, attempt.reason, doubtful_since=since)
        if due.attempts >= len(RETRY_AFTER):
            last = "unknown" if since else attempt.failure or attempt.reason
            return Noted("parked", now, last, doubtful_since=since)
        pause = max(RETRY_AFTER[due.attempts], timedelta(seconds=attempt.retry_after_s))
        next_at = now + min(pause, REST_MAX)
        if attempt.is_answer:  # not this message is the trouble, but its tenant's channel
            self._rest(due.lane, self._rests_until(attempt, now, next_at))
        return Noted("pending", next_at, attempt.failure or attempt.reason, doubtful_since=since)

    def _rests_until(self, attempt: Attempt, now: datetime, next_at: datetime) -> datetime:
        """Who is only busy says how long: however often this message was tried, others may go."""
        if attempt.outcome != "busy":
            return next_at
        return min(next_at, now + max(RETRY_AFTER[0], timedelta(seconds=attempt.retry_after_s)))

    async def _forget(self, connection: asyncpg.Connection, partition: int) -> None:
        await rows.forget_messages(connection, partition, self._now() - KEPT_FOR)


def _letter(event: Emitted) -> Letter | None:
    """What is to be told; None where an event lacks it, which is a fault of ours."""
    try:
        return letter_of(event.body)
    except NoLetter as error:
        log.warning("event cannot be told", event_id=event.event_id, error=str(error))
        MESSAGES.labels("unreadable").inc()
        return None


async def _messages(
    connection: asyncpg.Connection, partition: int, letters: list[tuple[Emitted, Letter]]
) -> list[NewMessage]:
    """One for each channel by which the customer of an event is reached."""
    subjects = {_subject(letter) for _, letter in letters}
    whose = await rows.customers_of(connection, subjects)
    customers = {(subject[0], said.customer_id) for subject, said in whose.items()}
    contacts = await contacts_of(connection, customers)
    found = []
    for event, letter in letters:
        said = whose.get(_subject(letter))
        if said is None or (letter.template == "invoice_created" and said.source in UNDUNNED):
            continue
        contact = contacts.get((letter.tenant_id, said.customer_id))
        found += [
            _new(partition, event, letter, said.customer_id, channel)
            for channel in _channels(contact)
        ]
    return found


def _channels(contact: ContactRow | None) -> list[str]:
    if contact is None:
        return []
    try:
        reached = contact_of(contact)
    except ValueError:
        log.warning("contact_invalid", tenant_id=contact.tenant_id)
        return []
    return [channel for channel in CHANNELS if reached.address(channel)]


def _new(
    partition: int, event: Emitted, letter: Letter, customer_id: str, channel: str
) -> NewMessage:
    return NewMessage(
        letter.tenant_id,
        event.event_id,
        channel,
        event.event_type,
        letter.template,
        letter.reference_type,
        letter.reference_id,
        customer_id,
        partition,
        event.body,
    )


def _subject(letter: Letter) -> tuple[str, str, str]:
    return letter.tenant_id, letter.reference_type, letter.reference_id


def _failed(error: CallError) -> Attempt:
    if isinstance(error, Refused):
        return Attempt("refused", error.reason, error.failure)
    if isinstance(error, TurnedAway):
        return Attempt("busy", error.reason, retry_after_s=error.retry_after_s)
    outcome = "not_sent" if isinstance(error, NotSent) else "unclear"
    return Attempt(outcome, error.reason, retry_after_s=error.retry_after_s)

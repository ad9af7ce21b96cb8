"""The messages role: what payers are told of invoices and payments, once by each channel.

Two halves, of one partition each: the reader makes messages of archived events, for customers whom
their tenant has told us of; the carrier hands what is due to the notifications service. It stands
behind archive and read models and touches neither journal nor log: whatever happens here, money
goes on. What is slow or refused in one lane (tenant and channel) holds up no other.
Never logs an address, nor a message's data.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NoReturn, Protocol

import asyncpg
import structlog

from agents.accounting.dunning import UNDUNNED
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.composing import Unsent, compose, contact_of
from agents.roles.counters import MESSAGES
from agents.roles.follow import Bookmark, follow_archive
from agents.roles.lease import Lease, Owner, Progress, run_leased
from agents.roles.outages import through_outages, uninterrupted
from agents.roles.secret_store import now_utc
from agents.roles.tail import Archived
from connectors.base import CallError, NotSent, Refused, TurnedAway
from connectors.breaker import Breaker
from connectors.notifications.client import Accepted
from connectors.notifications.translate import CHANNELS, TOLD, Letter, Message, letter_of
from connectors.reading import Unreadable as NoLetter
from streams.errors import Misconfigured, Unreadable
from streams.journal import Batch, Emitted
from tables.postgres import messages as rows
from tables.postgres.contacts import ContactRow, contacts_of, tenants_with_contacts
from tables.postgres.lookups import projected_seq
from tables.postgres.messages import Due, Lane, NewMessage, Noted

ROLE = "messages"
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
AT_ONCE, AT_ONCE_A_LANE = 32, 4
LOOKED_AT = 2 * AT_ONCE
LOOK_EVERY_S = 1.0
GATHER_S, MANY = 0.4, 32
"""Pause between readings, so that one look for contacts is for many records; not in a backlog."""
PROJECTED_POLL_S = 0.1
KEPT_FOR = timedelta(days=90)
FORGET_EVERY_S = 3_600.0
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


class Messages:
    """Carries messages of partitions; `run` one of it per partition.

    `told` are the types of events that we write about: others are left to whoever hears them.
    `pages` is where payers reach us, without a trailing slash.
    """

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
        self._pool, self._archived, self._owner = pool, archived, owner
        self._sender, self._pages = sender, pages
        self._told, self._now = frozenset(told) & TOLD, now
        self._breakers: dict[Lane, Breaker] = {}
        self._resting: dict[Lane, datetime] = {}

    async def run(self, partition: int) -> NoReturn:
        """Carry this partition's messages whenever its lease is ours."""
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
            events = list(self._events(records))
            if events and await self._put_on_their_way(lease.partition, records[-1].seq, events):
                came.set()
            await bookmark.move(records[-1].seq)
            if len(records) < MANY:
                await asyncio.sleep(GATHER_S)

    def _events(self, records: Sequence[Archived]) -> Iterator[Emitted]:
        """What is to be told, and is still news."""
        oldest_ms = int((self._now() - NEWS_FOR).timestamp() * 1_000)
        for record in records:
            if isinstance(record, Batch) and record.now_ms >= oldest_ms:
                for entry in record.entries:
                    yield from (each for each in entry.emitted if each.event_type in self._told)

    async def _put_on_their_way(self, partition: int, seq: int, events: list[Emitted]) -> bool:
        """Whether anything is."""
        letters = [(event, letter) for event in events if (letter := _letter(event)) is not None]
        async with self._pool.acquire() as connection:
            tenants = {letter.tenant_id for _, letter in letters}
            known = await tenants_with_contacts(connection, tenants)
        letters = [each for each in letters if each[1].tenant_id in known]
        if not letters:
            return False
        while await projected_seq(self._pool, partition) < seq:  # noqa: ASYNC110  no signal
            await asyncio.sleep(PROJECTED_POLL_S)
        async with self._pool.acquire() as connection:
            found = await _messages(connection, partition, letters)
            await rows.insert_messages(connection, found, self._now())
        return bool(found)

    # -- rows to the service ----------------------------------------------------------------------

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
        """What may be sent now beside what is carried: none of it twice, few of one lane."""
        carried = list(carried)
        loads = Counter(due.lane for due in carried)
        under_way = {due.key for due in carried}
        chosen: list[Due] = []
        busy = self._busy(loads)
        async with self._pool.acquire() as connection:
            while len(under_way) < AT_ONCE:
                found = await rows.due_messages(
                    connection, partition, busy=busy, now=self._now(), limit=LOOKED_AT
                )
                full = set[Lane]()
                for due in found:
                    if due.key in under_way or len(under_way) >= AT_ONCE:
                        continue
                    if loads[due.lane] >= AT_ONCE_A_LANE or not self._breaker(due).admit():
                        full.add(due.lane)
                        continue
                    chosen.append(due)
                    under_way.add(due.key)
                    loads[due.lane] += 1
                # What waits in one lane, however much, must not be all that is looked at.
                if len(found) < LOOKED_AT or not full:
                    break
                busy |= full
        return chosen

    def _busy(self, loads: Counter[Lane]) -> set[Lane]:
        """Lanes of which nothing more is taken now: full, resting, or behind an open breaker."""
        now = self._now()
        self._resting = {lane: until for lane, until in self._resting.items() if until > now}
        busy = {lane for lane, load in loads.items() if load >= AT_ONCE_A_LANE}
        busy |= {lane for lane, breaker in self._breakers.items() if breaker.state == "open"}
        return busy | self._resting.keys()

    async def _attempt(self, due: Due) -> None:
        breaker = self._breaker(due)
        try:
            attempt = await self._sent(due)
        except BaseException:
            breaker.abandoned()
            raise
        if attempt is None:
            breaker.abandoned()
        elif attempt.is_answer:
            breaker.succeeded()
        else:
            breaker.failed()

    async def _sent(self, due: Due) -> Attempt | None:
        """One attempt, written down; None if there was nothing to try."""
        now = self._now()
        prepared = await through_outages(partial(self._prepared, due, now))
        if isinstance(prepared, Unsent):
            await through_outages(partial(self._end, due, prepared, now))
            return None
        message, doubtful_since = prepared
        attempt = await through_outages(partial(self._tried, message))
        await through_outages(partial(self._note, due, attempt, doubtful_since))
        return attempt

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
            "at": _text(self._now()),
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
            self._resting[due.lane] = self._rests_until(attempt, now, next_at)
        return Noted("pending", next_at, attempt.failure or attempt.reason, doubtful_since=since)

    def _rests_until(self, attempt: Attempt, now: datetime, next_at: datetime) -> datetime:
        """Who is only busy says how long: however often this message was tried, others may go."""
        if attempt.outcome != "busy":
            return next_at
        return min(next_at, now + max(RETRY_AFTER[0], timedelta(seconds=attempt.retry_after_s)))

    def _breaker(self, due: Due) -> Breaker:
        return self._breakers.setdefault(due.lane, Breaker())

    async def _forget(self, partition: int) -> NoReturn:
        while True:
            async with self._pool.acquire() as connection:
                await rows.forget_messages(connection, partition, self._now() - KEPT_FOR)
            await asyncio.sleep(FORGET_EVERY_S)


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
        log.warning("contact is none", tenant_id=contact.tenant_id)
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


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

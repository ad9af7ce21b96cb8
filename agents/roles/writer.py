"""The writer of one partition: decide a micro-batch, append it as one record, answer, remember.

While one record is on its way to the journal the next batch is being decided on top of it. A
record that does not come back as expected ends the process: nothing of it was answered.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import structlog

from agents.decide import Fold
from agents.registry import RULES_VERSION
from agents.roles.answers import Answering, Answers
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.counters import DECIDED
from agents.roles.gaps import read_back
from agents.roles.journal_writer import JournalWriter
from agents.roles.mailbox import Mail, Mailbox
from agents.roles.opening import Opener
from agents.roles.process import Die
from agents.roles.unarchived import Unarchived
from agents.roles.watching import Watching
from streams.errors import OutcomeUnknown, TreasuryError
from streams.inbound import Signer
from streams.journal import CODEC, Batch, Chain, Position, hash_of
from streams.signals import crash_here
from streams.topics import JOURNAL_MAX_BYTES
from tables.recovery import Recovered

YIELD_EVERY = 4
"""Events between two looks at what else waits: above all queries, each of which takes several."""
RECORD_EVERY_S = 0.04
"""Small records follow each other no faster: whatever a record costs on its way, it costs once."""
FAILING_TENANTS_BEFORE_EXIT = 3
PRESSED_ALARM_S = 60.0
KAFKAS_SHARE_BYTES = 64 * 1024  # of what the journal's topic takes, for Kafka's own framing

log = structlog.get_logger(__name__)


class BadDeploy(TreasuryError):
    """Handlers fail for several tenants at once: exit before the log ends in the dead letters."""


class RecordTooLarge(TreasuryError):
    """A record is larger than its topic takes: an estimate of sizes is wrong, no event is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a writer: events and bytes of a micro-batch, bytes waiting before and after it."""

    batch_events: int = 2_000
    batch_bytes: int = 512 * 1024
    mailbox_bytes: int = 4 * 1024 * 1024
    unarchived_bytes: int = 64 * 1024 * 1024
    seen_ids: int = 4_000_000


@dataclass
class _Open:
    """The micro-batch being decided."""

    first: Position
    last_value: bytes | None = None
    done: list[Callable[[], Any]] = field(default_factory=list)


@dataclass
class _Closed:
    """A micro-batch on its way to the journal."""

    record: Batch
    data: bytes
    hash: bytes
    done: list[Callable[[], Any]]

    @cached_property
    def keys(self) -> frozenset[bytes]:
        """Of the rows it changes."""
        return frozenset(image.key for image in self.record.images)


class PartitionWriter:
    """One partition's mailbox, fold and journal."""

    def __init__(
        self,
        recovered: Recovered,
        journal: JournalWriter,
        *,
        partition: int,
        partitions: int,
        signer: Signer,
        answers: Answers,
        archived: ArchiveProgress,
        answer_when_archived: bool,
        inbound: tuple[str, str],
        limits: Limits,
        die: Die,
    ) -> None:
        self.partition = partition
        self.journal = journal
        self.fold = Fold(
            recovered.working,
            recovered.seen,
            partition=partition,
            partitions=partitions,
            now_ms=recovered.chain.now_ms,
        )
        self.committed = recovered.chain
        self.committed_offset = recovered.record_offset
        self.unflushed = recovered.images
        self.next = recovered.chain.next
        self._seq = recovered.chain.seq
        self._record_hash = recovered.chain.record_hash
        self._inbound_hash = recovered.chain.inbound_hash
        self._opener = Opener(signer, partition)
        self._answering = Answering(
            partition, answers, archived, when_archived=answer_when_archived
        )
        self._inbound = inbound  # (bootstrap, topic)
        self.watching = Watching()
        self._unarchived = Unarchived(partition, archived, limits.unarchived_bytes)
        self._mailbox = Mailbox(limits.mailbox_bytes)
        self._limits, self._die = limits, die
        self._wake = asyncio.Event()
        self._pending: list[_Closed] = []
        self._commit: asyncio.Task[None] | None = None
        self._in_flight = False
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._pausing = False
        self._alarmed_s = -PRESSED_ALARM_S
        self._told: dict[str, Exception] = {}
        self._next_record_s = 0.0
        self._unlooked = 0

    # -- life ---------------------------------------------------------------------------------

    @property
    def serving(self) -> bool:
        """Whether the writer decides and answers now."""
        return self._task is not None and not self._pausing

    @property
    def throttled(self) -> bool:
        """Whether the writer waits for the archive."""
        return self._unarchived.throttled

    @property
    def pressed(self) -> bool:
        """Whether as many ids are remembered as may be: intake must stop, time must go on."""
        return len(self.fold.seen) > self._limits.seen_ids

    def uncommitted(self) -> Iterator[Collection[bytes]]:
        """Keys of rows that changed after the last committed record, record by record."""
        yield self.fold.working.changed
        for closed in self._pending:
            yield closed.keys

    def start(self) -> None:
        """Start deciding; call again only after `pause`."""
        if self._task is not None:
            raise RuntimeError(f"partition {self.partition} is being decided already")
        self._pausing = False
        self._task = asyncio.create_task(self._run_or_die())

    async def pause(self, timeout_s: float) -> None:
        """Commit the batch in hand and stop; what was not begun is dropped and comes again."""
        self._pausing = True
        self.watching.end()
        self._mailbox.drop()
        self._wake.set()
        task, self._task = self._task, None
        if task is not None:
            try:
                await asyncio.wait_for(asyncio.shield(task), timeout_s)
            except TimeoutError:
                self._die(OutcomeUnknown(f"partition {self.partition}: batch not over in time"))

    async def put(self, mail: Mail) -> None:
        """Hand over the next inbound record; waits while the mailbox is full."""
        await self._mailbox.room()
        if self._pausing:
            return
        self._mailbox.add(mail)
        self._wake.set()

    # -- deciding -----------------------------------------------------------------------------

    async def _run_or_die(self) -> None:
        try:
            while not self._pausing:
                await self._one_batch()
            if self._commit is not None:
                await self._commit
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._die(error)

    async def _one_batch(self) -> None:
        batch = _Open(self.next)
        self.fold.begin(self._seq + 1)
        await self._fill(batch)
        if batch.last_value is None:
            return
        self._look_at_handlers()
        self._alarm_if_pressed()
        closed = self._close(batch)
        self._next_record_s = time.monotonic() + RECORD_EVERY_S
        if self._commit is not None:
            await self._commit
        await self._unarchived.room(unless=lambda: self._pausing)
        self._in_flight = True
        self._commit = asyncio.create_task(self._commit_or_die(closed))

    async def _fill(self, batch: _Open) -> None:
        """Decide records until the batch is full, or nothing is left and the journal is free."""
        while not self._full():
            mail = self._mailbox.first
            if mail is not None:
                await self._decide(batch, mail)
                continue
            if self._pausing:
                return
            if batch.last_value is not None and not self._in_flight:
                early_s = self._next_record_s - time.monotonic()
                if early_s <= 0:
                    return
                await asyncio.sleep(early_s)
                continue
            self._wake.clear()
            await self._wake.wait()

    def _look_at_handlers(self) -> None:
        failing = self.fold.failing
        for tenant_id, error in failing.items():
            if self._told.get(tenant_id) is not error:
                log.error("handler_raised", tenant_id=tenant_id, exc_info=error)
        self._told = dict(failing)
        if len(failing) >= FAILING_TENANTS_BEFORE_EXIT:
            raise BadDeploy(f"handlers fail for {len(failing)} tenants")

    def _alarm_if_pressed(self) -> None:
        now_s = time.monotonic()
        if self.pressed and now_s - self._alarmed_s >= PRESSED_ALARM_S:
            self._alarmed_s = now_s
            log.error(
                "intake_must_stop",
                partition=self.partition,
                seen_ids=len(self.fold.seen),
                limit=self._limits.seen_ids,
            )

    def _full(self) -> bool:
        fold, limits = self.fold, self._limits
        return len(fold.entries) >= limits.batch_events or fold.size_bytes >= limits.batch_bytes

    async def _decide(self, batch: _Open, mail: Mail) -> None:
        if mail.offset < self.next.offset:
            self._mailbox.over()
            mail.done()
            return
        if mail.offset > self.next.offset:
            await self._fill_gap(mail)
            return
        opened = self._opener.open(
            self.next.log, mail.offset, mail.received_ms, mail.headers, mail.value
        )
        batch.last_value = mail.value
        for arrival in opened.arrivals[self.next.index :]:
            if self._full():
                return
            crash_here("S5")
            self.fold.decide(arrival, checked=opened.checked)
            self.next = Position(self.next.log, mail.offset, arrival.index + 1)
            self._unlooked += 1
            if self._unlooked >= YIELD_EVERY:
                self._unlooked = 0
                await asyncio.sleep(0)
        if self._mailbox.first is not mail:
            return  # dropped while we yielded: the rest of the record comes again
        self.next = Position(self.next.log, mail.offset + 1, 0)
        self._mailbox.over()
        batch.done.append(mail.done)

    async def _fill_gap(self, mail: Mail) -> None:
        """Take what the log holds before `mail`, or go on with it if that is nothing."""
        missed = await read_back(self._inbound, self.partition, self.next.offset, mail.offset)
        if self._mailbox.first is not mail:
            return  # dropped while we read: all of it comes again
        if missed:
            self._mailbox.add_first(missed)
        else:
            self.next = Position(self.next.log, mail.offset, 0)

    # -- committing ---------------------------------------------------------------------------

    def _close(self, batch: _Open) -> _Closed:
        entries, images = self.fold.close()
        assert batch.last_value is not None
        inbound_hash = hash_of(batch.last_value)
        self._seq += 1
        record = Batch(
            self.journal.claim_id,
            self._seq,
            batch.first,
            self.next,
            self._record_hash,
            inbound_hash,
            RULES_VERSION,
            self.fold.now_ms,
            entries,
            images,
            self.fold.working.digest.to_bytes(16, "big"),
        )
        data = CODEC.encode(record)
        if len(data) > JOURNAL_MAX_BYTES - KAFKAS_SHARE_BYTES:
            raise RecordTooLarge(f"seq {record.seq} of partition {self.partition}: {len(data)} B")
        self._record_hash = hash_of(data)
        closed = _Closed(record, data, self._record_hash, batch.done)
        self._pending.append(closed)
        return closed

    async def _commit_or_die(self, closed: _Closed) -> None:
        try:
            offset = await self.journal.commit(closed.data, self.committed)
        except BaseException as error:
            self._die(error)
        crash_here("S7")
        await self._committed(closed, offset)

    async def _committed(self, closed: _Closed, offset: int) -> None:
        record = closed.record
        self.committed = Chain.of(record, closed.hash)
        self.committed_offset = offset
        self._pending.remove(closed)
        self._in_flight = False
        for image in record.images:
            self.unflushed[image.key] = (record.seq, image.value)
        self._unarchived.add(record.next, len(closed.data))
        for done in closed.done:
            done()
        for status, count in Counter(entry.status for entry in record.entries).items():
            DECIDED.labels(status).inc(count)
        self._answering.committed(record)
        if self.watching.any:
            self.watching.tell(closed.keys)
        self._wake.set()
        async with self._changed:
            self._changed.notify_all()

    async def settled(self) -> None:
        """Return when everything decided so far is committed."""
        seq = self._seq + (1 if self.fold.entries else 0)
        async with self._changed:
            await self._changed.wait_for(lambda: self.committed.seq >= seq or self._pausing)

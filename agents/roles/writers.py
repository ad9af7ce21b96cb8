"""All partitions of this process under Faust: assignment, takeover, pump, checkpoints, desk.

Faust assigns and delivers; everything it promises beyond that is done here or in the files this
one calls. One lock per partition: a rebalance must not start a second recovery beside a first.
"""

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import faust
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from faust.types import TP

from agents.clock import TICKED
from agents.decide import SYSTEM_TENANT
from agents.registry import View
from agents.roles.answers import Answers
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.desk import AnswerUnknown, Decision, Elsewhere, NotServing, PartitionStatus
from agents.roles.inlet import Inlet
from agents.roles.journal_writer import JournalWriter
from agents.roles.process import Die
from agents.roles.takeover import Sources, take_over
from agents.roles.trimming import trimmable
from agents.roles.writer import Limits, Mail, PartitionWriter
from streams.app import Heartbeat, inbound_topic
from streams.errors import Fenced
from streams.inbound import Signer, Stamp
from streams.partitioner import partition_of
from streams.signals import crash_here
from streams.topics import Topics
from tables.checkpoint import ChangelogWriter, Checkpoint, checkpoint_of, write_checkpoint
from tables.store import PartitionStore, StateTable, add_table

PAUSE_TIMEOUT_S = 5.0
TICK_S = 10.0
CHECKPOINT_S = 1.0
CHECKPOINT_ROWS = 20_000
_NAMESPACE = uuid.UUID("6f0f5d0e-6d2b-5b7e-9a39-1f1f6a0c7d11")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class WriterSettings:
    """What the writers of a process need; see compose/settings.py for the defaults."""

    worker: str
    topics: Topics
    partitions: int
    bootstrap: str
    answer_when_archived: bool = True
    limits: Limits = field(default_factory=Limits)
    tick_s: float = TICK_S
    checkpoint_s: float = CHECKPOINT_S
    session_timeout_s: float = 10.0


@dataclass
class _Seat:
    """A partition that this process holds: its writer, store and changelog."""

    writer: PartitionWriter
    store: PartitionStore
    changelog: ChangelogWriter
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    checkpointed_at: float = field(default_factory=time.monotonic)
    checkpoint: Checkpoint | None = None


class Writers:
    """The writers of this process; also its `Desk`."""

    def __init__(
        self,
        app: faust.App,
        settings: WriterSettings,
        *,
        signer: Signer,
        inlet: Inlet,
        sources: Sources,
        archived: ArchiveProgress,
        die: Die,
    ) -> None:
        self._app, self._settings = app, settings
        self._signer, self._inlet, self._sources = signer, inlet, sources
        self._archived, self._die = archived, die
        self._answers = Answers()
        self._seats: dict[int, _Seat] = {}
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._assigned: dict[int, float] = {}
        self._producer: AIOKafkaProducer | None = None
        self.ends: dict[int, int] = {}
        self.heartbeat = Heartbeat()
        self._table: StateTable = add_table(
            app, settings.topics, settings.partitions, self._recover, die
        )
        topic = inbound_topic(app, settings.topics, settings.partitions)
        app.agent(topic, name="writer", concurrency=1)(self._pump)
        app.on_partitions_revoked.connect(self._revoked)

    def use(self, producer: AIOKafkaProducer) -> None:
        """The idempotent producer for journal and changelog; give it before the app starts."""
        self._producer = producer

    # -- Faust --------------------------------------------------------------------------------

    async def _pump(self, stream: Any) -> None:
        """Hand every inbound record to its partition's writer; acks come from the writer."""
        async for event in stream.noack().events():
            message = event.message
            seat = self._seats.get(message.partition)
            if seat is None or message.generation_id != self._app.consumer_generation_id:
                continue  # of an assignment that is over: it comes again to whoever owns it
            await seat.writer.put(
                Mail(
                    message.offset,
                    round(message.timestamp * 1000),
                    message.headers or (),
                    message.value or b"",
                    event.ack,
                )
            )

    async def _recover(self, partitions: set[int]) -> None:
        """Faust's recovery hook: take over what is ours now, let go of what is not."""
        self._check_colocation(partitions)
        for partition in set(self._seats) - partitions:
            await self._let_go(partition)
        now = time.monotonic()
        self._assigned = {partition: self._assigned.get(partition, now) for partition in partitions}
        generation = self._app.consumer_generation_id
        await asyncio.gather(*(self._take(p, generation) for p in partitions))
        if self._app.consumer_generation_id == generation:
            await self._position(partitions)

    def _check_colocation(self, partitions: set[int]) -> None:
        inbound = self._settings.topics.inbound.name
        assigned = {tp.partition for tp in self._app.consumer.assignment() if tp.topic == inbound}
        if assigned != partitions:
            raise Fenced(f"inbound {sorted(assigned)} and rows {sorted(partitions)} fell apart")

    async def _take(self, partition: int, generation: int) -> None:
        async with self._locks[partition]:
            if self._app.consumer_generation_id != generation:
                return
            seat = self._seats.get(partition)
            if seat is not None:
                if await seat.writer.journal.claim(self._settings.worker, generation):
                    self._start(seat)
                    return
                await self._let_go(partition)
            await self._take_over(partition, generation)

    async def _take_over(self, partition: int, generation: int) -> None:
        settings = self._settings
        assert self._producer is not None
        started = time.monotonic()
        store = PartitionStore(self._table, partition)
        journal = JournalWriter(
            self._producer, settings.bootstrap, settings.topics.journal.name, partition
        )
        await journal.claim(settings.worker, generation)
        taken = await take_over(partition, store, journal, self._sources)
        changelog = ChangelogWriter(
            self._producer, settings.topics.changelog.name, partition, taken.changelog_end
        )
        writer = PartitionWriter(
            taken.recovered,
            journal,
            partition=partition,
            partitions=settings.partitions,
            signer=self._signer,
            answers=self._answers,
            archived=self._archived,
            answer_when_archived=settings.answer_when_archived,
            limits=settings.limits,
            die=self._die,
        )
        seat = self._seats[partition] = _Seat(writer, store, changelog)
        self._start(seat)
        log.info(
            "partition_taken",
            partition=partition,
            seq=writer.committed.seq,
            seconds=round(time.monotonic() - started, 3),
        )

    def _start(self, seat: _Seat) -> None:
        seat.writer.start()
        seat.tasks = [
            asyncio.create_task(self._or_die(self._checkpoints(seat))),
            asyncio.create_task(self._or_die(self._ticks(seat))),
        ]

    async def _position(self, partitions: set[int]) -> None:
        """Make the journal's position Faust's: committed to the group, and sought."""
        name = self._settings.topics.inbound.name
        offsets = {
            TP(name, partition): self._seats[partition].writer.next.offset
            for partition in partitions
        }
        if not offsets:
            return
        consumer = self._app.consumer
        if not await consumer._commit(offsets):  # noqa: SLF001  the public one filters by acks
            raise Fenced("the group did not take our positions")
        await consumer.seek_wait(offsets)

    async def _revoked(self, _app: object, revoked: set[TP], **_: Any) -> None:
        crash_here("S15")
        name = self._settings.topics.inbound.name
        mine = {tp.partition for tp in revoked if tp.topic == name}
        await asyncio.gather(*(self._pause(partition) for partition in mine))

    async def _pause(self, partition: int) -> None:
        seat = self._seats.get(partition)
        if seat is None:
            return
        await seat.writer.pause(PAUSE_TIMEOUT_S)
        await _cancel(seat.tasks)

    async def _let_go(self, partition: int) -> None:
        await self._pause(partition)
        self._seats.pop(partition, None)

    async def stop(self) -> None:
        """Commit what is in hand, write a last checkpoint, let all partitions go."""
        for partition in list(self._seats):
            await self._pause(partition)
            await self._checkpoint(self._seats[partition])
            self._seats.pop(partition)

    async def _or_die(self, work: Any) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._die(error)

    # -- checkpoints and ticks ----------------------------------------------------------------

    async def _checkpoints(self, seat: _Seat) -> None:
        while True:
            waited = 0.0
            while waited < self._settings.checkpoint_s:
                await asyncio.sleep(0.1)
                waited += 0.1
                if len(seat.writer.unflushed) >= CHECKPOINT_ROWS:
                    break
            await asyncio.shield(asyncio.ensure_future(self._checkpoint(seat)))

    async def _checkpoint(self, seat: _Seat) -> None:
        writer = seat.writer
        images, writer.unflushed = writer.unflushed, {}
        seat.checkpointed_at = time.monotonic()
        if not images:
            return
        checkpoint = checkpoint_of(writer.committed, writer.committed_offset)
        await write_checkpoint(seat.store, seat.changelog, images, checkpoint)
        unchanged = images.keys() - writer.unflushed.keys() - writer.pending_keys
        seat.checkpoint = checkpoint
        writer.fold.working.stored({key: value for key, (_, value) in images.items()}, unchanged)

    def trimmable(self) -> dict[TopicPartition, int]:
        """What Kafka may forget of our partitions (agents/roles/trimming.py)."""
        before: dict[TopicPartition, int] = {}
        for partition, seat in self._seats.items():
            if seat.checkpoint is not None:
                reached = self._archived.get(partition)
                before |= trimmable(self._settings.topics, partition, seat.checkpoint, *reached)
        return before

    async def _ticks(self, seat: _Seat) -> None:
        """Time enters the log here: a tick per interval, and at once while work is left over."""
        last = -1
        while True:
            slot = int(time.time() // self._settings.tick_s)
            if slot != last:
                last = slot
                await self._tick(seat.writer, f"slot {slot} of {self._settings.tick_s:g} s")
            elif seat.writer.fold.parking.more_to_do:
                position = seat.writer.next
                await self._tick(seat.writer, f"at {position.log} {position.offset}")
            await asyncio.sleep(0.25)

    async def _tick(self, writer: PartitionWriter, name: str) -> None:
        event_id = str(uuid.uuid5(_NAMESPACE, f"{writer.partition} {name}"))
        await self._inlet.say(
            writer.partition,
            tenant_id=SYSTEM_TENANT,
            event_type=TICKED,
            event_id=event_id,
            data={},
        )

    # -- desk ---------------------------------------------------------------------------------

    @property
    def partitions(self) -> int:
        """P, fixed at creation."""
        return self._settings.partitions

    def statuses(self) -> list[PartitionStatus]:
        """The partitions assigned to this process."""
        return [self._status(partition) for partition in sorted(self._assigned)]

    def _status(self, partition: int) -> PartitionStatus:
        seat = self._seats.get(partition)
        if seat is None:
            return PartitionStatus(partition, "recovering", -1, -1, 0.0)
        writer = seat.writer
        lag = max(0, self.ends.get(partition, 0) - writer.committed.next.offset)
        state = "serving" if writer.serving else "recovering"
        age_s = time.monotonic() - seat.checkpointed_at
        return PartitionStatus(partition, state, writer.committed.seq, lag, age_s)

    def _writer(self, tenant_id: str) -> PartitionWriter:
        partition = partition_of(tenant_id, self.partitions)
        seat = self._seats.get(partition)
        if seat is not None and seat.writer.serving:
            return seat.writer
        if seat is None and partition not in self._assigned:
            url = self._owner_url(partition)
            if url is not None:
                raise Elsewhere(url)
        raise NotServing(f"partition {partition} is not served here yet")

    def _must_be_owner(self, partition: int) -> None:
        """A process that was paused may have lost the partition without having heard of it."""
        if self.heartbeat.age_s() > self._settings.session_timeout_s:
            raise NotServing(f"partition {partition}: no heartbeat to the group lately")

    def _owner_url(self, partition: int) -> str | None:
        changelog = TP(self._settings.topics.changelog.name, partition)
        url = self._app.assignor._tps_url.get(changelog)  # noqa: SLF001  key_store by partition
        return None if url is None or url == str(self._app.conf.canonical_url) else str(url)

    async def decide(
        self, tenant_id: str, event_id: str, envelope: bytes, *, timeout_s: float
    ) -> Decision:
        """Append an envelope (ingress http) and wait for what becomes of it."""
        writer = self._writer(tenant_id)
        with self._answers.expect(tenant_id, event_id) as answer:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._inlet.append(writer.partition, stamp=Stamp("http"), value=envelope)
                    return await answer
            except TimeoutError:
                raise AnswerUnknown("the command may still be carried out") from None

    @asynccontextmanager
    async def view(self, tenant_id: str) -> AsyncIterator[View]:
        """The tenant's rows; leaving the block waits until all that was read is committed."""
        writer = self._writer(tenant_id)
        self._must_be_owner(writer.partition)
        yield View(writer.fold.working.get, writer.fold.working.scan)
        await writer.settled()
        self._must_be_owner(writer.partition)
        if not writer.serving:
            raise NotServing(f"partition {writer.partition} moved while it was read")


async def _cancel(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task

"""All partitions of this process under Faust: assignment, takeover, the pump, the desk.

Faust assigns and delivers; everything it promises beyond that is done here or in the files this
one calls. Every rebalance begins a new epoch; work of an older epoch stops at its next await, so
that no partition is ever started twice or after it went to another worker.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import faust
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from faust.types import TP

from agents.registry import View
from agents.roles.answers import Answers
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.desk import AnswerUnknown, Decision, Elsewhere, NotServing, PartitionStatus
from agents.roles.inlet import Inlet
from agents.roles.journal_writer import JournalWriter
from agents.roles.mailbox import Mail
from agents.roles.process import Die
from agents.roles.reading import committed_view
from agents.roles.seat import Seat
from agents.roles.takeover import Sources, correct_changelog, take_over
from agents.roles.trimming import trimmable
from agents.roles.watching import Watch
from agents.roles.writer import Limits, PartitionWriter
from streams.app import Heartbeat, inbound_topic
from streams.errors import Fenced
from streams.inbound import Signer, Stamp
from streams.partitioner import partition_of
from streams.signals import crash_here
from streams.topics import Topics
from tables.checkpoint import ChangelogWriter
from tables.store import PartitionStore, StateTable, add_table

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
    tick_s: float = 10.0
    checkpoint_s: float = 1.0
    session_timeout_s: float = 10.0


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
        self._seats: dict[int, Seat] = {}
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._epoch = 0
        self._assigned: set[int] = set()
        self._stopping = False
        self._producer: AIOKafkaProducer | None = None
        self.ends: dict[int, int] = {}
        self.heartbeat = Heartbeat()
        self._table: StateTable = add_table(
            app, settings.topics, settings.partitions, self._recover, die
        )
        topic = inbound_topic(app, settings.topics, settings.partitions)
        app.agent(topic, name="writer", concurrency=1)(self._pump)
        app.on_partitions_assigned.connect(self._heard_assigned)
        app.on_partitions_revoked.connect(self._revoked)

    def use(self, producer: AIOKafkaProducer) -> None:
        """The idempotent producer for journal and changelog; give it before the app starts."""
        self._producer = producer

    @property
    def crashed(self) -> bool:
        """Whether Faust gave up; it says so in a log line and goes on idle."""
        return bool(self._app.crashed)

    def decides(self, partition: int) -> bool:
        """Whether the partition is assigned to this worker, be it still being taken over."""
        return partition in self._assigned

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

    def _mine(self, tps: set[TP]) -> set[int]:
        return {tp.partition for tp in tps if tp.topic == self._settings.topics.inbound.name}

    async def _heard_assigned(self, _app: object, assigned: set[TP], **_: Any) -> None:
        """Known from now on as recovering, even if Faust's recovery never calls our hook."""
        self._assigned = self._mine(assigned)

    async def _revoked(self, _app: object, revoked: set[TP], **_: Any) -> None:
        self._epoch += 1
        mine = self._mine(revoked)
        if mine:
            crash_here("S15")
        self._assigned -= mine
        seats = [self._seats[partition] for partition in mine if partition in self._seats]
        await asyncio.gather(*(seat.pause() for seat in seats))

    async def _recover(self, partitions: set[int]) -> None:
        """Faust's recovery hook: take over what is ours now, let go of what is not."""
        self._epoch += 1
        epoch = self._epoch
        self._assigned = set(partitions)
        try:
            self._check_colocation(partitions)
            for partition in set(self._seats) - partitions:
                await self._let_go(partition)
            await asyncio.gather(*(self._take(partition, epoch) for partition in partitions))
            if not self._over(epoch):
                await self._position(partitions)
        except Exception:
            if not self._over(epoch):
                raise
            log.info("recovery_overtaken", epoch=epoch, exc_info=True)

    def _over(self, epoch: int) -> bool:
        """Whether a newer rebalance, or our end, has made work of this epoch void."""
        return epoch != self._epoch or self._stopping

    def _check_colocation(self, partitions: set[int]) -> None:
        assigned = self._mine(self._app.consumer.assignment())
        if assigned != partitions:
            raise Fenced(f"inbound {sorted(assigned)} and rows {sorted(partitions)} fell apart")

    async def _take(self, partition: int, epoch: int) -> None:
        """Serve the partition: as we left it if nobody wrote since, else recovered."""
        async with self._locks[partition]:
            if self._over(epoch):
                return
            seat = self._seats.get(partition)
            if seat is not None:
                await seat.pause()
                if self._over(epoch):
                    return
                journal = seat.writer.journal
                undisturbed = await journal.claim(self._settings.worker, epoch)
                if self._over(epoch):
                    return
                if undisturbed:
                    seat.start()
                    return
                del self._seats[partition]
            seat = await self._take_over(partition, epoch)
            if self._over(epoch):
                return
            self._seats[partition] = seat
            seat.start()

    async def _take_over(self, partition: int, epoch: int) -> Seat:
        settings = self._settings
        assert self._producer is not None
        started = time.monotonic()
        store = PartitionStore(self._table, partition)
        journal = JournalWriter(
            self._producer, settings.bootstrap, settings.topics.journal.name, partition
        )
        await journal.claim(settings.worker, epoch)

        def must_be_ours() -> None:
            if self._over(epoch):
                raise Fenced(f"partition {partition}: another assignment has begun")

        taken = await take_over(partition, store, journal, self._sources, must_be_ours)
        changelog = ChangelogWriter(
            self._producer, settings.topics.changelog.name, partition, taken.changelog_end
        )
        await correct_changelog(store, changelog, taken, must_be_ours)
        writer = PartitionWriter(
            taken.recovered,
            journal,
            partition=partition,
            partitions=settings.partitions,
            signer=self._signer,
            answers=self._answers,
            archived=self._archived,
            answer_when_archived=settings.answer_when_archived,
            inbound=(settings.bootstrap, settings.topics.inbound.name),
            limits=settings.limits,
            die=self._die,
        )
        seconds = round(time.monotonic() - started, 3)
        log.info("partition_taken", partition=partition, seq=writer.committed.seq, seconds=seconds)
        return Seat(
            writer,
            store,
            changelog,
            inlet=self._inlet,
            die=self._die,
            is_member=self._is_member,
            tick_s=settings.tick_s,
            checkpoint_s=settings.checkpoint_s,
        )

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

    async def _let_go(self, partition: int) -> None:
        async with self._locks[partition]:
            seat = self._seats.pop(partition, None)
            if seat is not None:
                await seat.pause()

    async def stop(self) -> None:
        """Commit what is in hand, write a last checkpoint, let all partitions go."""
        self._stopping = True
        for partition in list(self._seats):
            async with self._locks[partition]:
                seat = self._seats.pop(partition, None)
                if seat is None:
                    continue
                await seat.pause()
                if partition in self._assigned and self._is_member():
                    await seat.write_checkpoint()
                # Else somebody else may own it: our rows would make them think they are fenced.

    def trimmable(self) -> dict[TopicPartition, int]:
        """What Kafka may forget of our partitions (agents/roles/trimming.py)."""
        before: dict[TopicPartition, int] = {}
        for partition, seat in self._seats.items():
            if seat.checkpoint is not None:
                reached = self._archived.get(partition)
                before |= trimmable(self._settings.topics, partition, seat.checkpoint, *reached)
        return before

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
        seq, age_s = writer.committed.seq, seat.checkpoint_age_s
        return PartitionStatus(partition, state, seq, lag, age_s, throttled=writer.throttled)

    def _writer(self, tenant_id: str) -> PartitionWriter:
        partition = partition_of(tenant_id, self.partitions)
        seat = self._seats.get(partition)
        if partition not in self._assigned:
            url = self._owner_url(partition)
            if url is not None:
                raise Elsewhere(url)
        elif seat is not None and seat.writer.serving:
            return seat.writer
        raise NotServing(f"partition {partition} is not served here yet")

    def _must_be_owner(self, partition: int) -> None:
        """A process that was paused may have lost the partition without having heard of it."""
        if not self._is_member():
            raise NotServing(f"partition {partition}: no heartbeat to the group lately")

    @property
    def pressed(self) -> bool:
        """Whether a writer here can remember no more ids: intake stops, the window stays."""
        return any(seat.writer.pressed for seat in self._seats.values())

    def _is_member(self) -> bool:
        """Whether the group confirmed us so lately that nobody else can own what is ours."""
        return self.heartbeat.age_s() <= self._settings.session_timeout_s

    def _owner_url(self, partition: int) -> str | None:
        changelog = TP(self._settings.topics.changelog.name, partition)
        url = self._app.assignor._tps_url.get(changelog)  # noqa: SLF001  key_store by partition
        return None if url is None or url == str(self._app.conf.canonical_url) else str(url)

    async def decide(
        self,
        tenant_id: str,
        event_id: str,
        envelope: bytes,
        *,
        timeout_s: float,
        ingress: str = "http",
    ) -> Decision:
        """Append an envelope and wait for what becomes of it."""
        writer = self._writer(tenant_id)
        if writer.pressed:
            raise NotServing(f"partition {writer.partition} can remember no more ids for now")
        with self._answers.expect(tenant_id, event_id) as answer:
            try:
                async with asyncio.timeout(timeout_s):
                    stamp = Stamp(ingress)
                    await self._inlet.append(writer.partition, stamp=stamp, value=envelope)
                    return await answer
            except TimeoutError:
                raise AnswerUnknown("the command may still be carried out") from None

    def watch(self, tenant_id: str, prefix: bytes) -> AbstractContextManager[Watch]:
        """A watch over the tenant's rows under `prefix`."""
        return self._writer(tenant_id).watching.watch(prefix)

    @asynccontextmanager
    async def view(self, tenant_id: str) -> AsyncIterator[View]:
        """The tenant's rows; leaving the block waits until all that was read is committed."""
        writer = self._writer(tenant_id)
        self._must_be_owner(writer.partition)
        async with committed_view(writer) as view:
            yield view
        self._must_be_owner(writer.partition)
        if not writer.serving:
            raise NotServing(f"partition {writer.partition} moved while it was read")

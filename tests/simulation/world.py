"""One seeded world: events come, payments are made, things go wrong; then everything must agree.

First the faults, then quiet: then a worker has to decide all that came, in time, and what the
archive holds is held against the independent model, the invariants and a replay.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Sequence

from agents.audit.journal import Audit
from agents.commands import CONFIRM, CREATE_INTENT
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.bridge import judge, kept
from agents.roles.verify import Replay
from streams.inbound import Stamp, pack
from streams.journal import CODEC, NO_HASH, Chain, Claim, Entry, Genesis, Position
from streams.kafka import Record
from tables.checkpoint import CODEC as CHECKPOINTS
from tables.memory import Parked, Release
from tables.store import CHECKPOINT_KEY
from tests.agents.core import envelope
from tests.model.compare import differences
from tests.model.generator import START_MS, Message, Story, generate, shuffled
from tests.model.ledger import expected
from tests.model.played import confirm_of, shown, wish_of, words_of_gateway
from tests.simulation.archive import Archive
from tests.simulation.broker import Broker, Link, Reader
from tests.simulation.faults import PAUSE_S, Keeper
from tests.simulation.loop import Clock
from tests.simulation.shelf import Shelf
from tests.simulation.worker import SIGNER, TOPICS, Worker

EVENTS, TENANTS = 48, 3
FAULTS = (2, 8)
BUNDLE = (1, 8)
REDELIVERED = 0.15
HARMED = 0.4
"""The share of worlds in which somebody harms the changelog."""
QUIET_WITHIN_S = 120.0
POLL_S = 0.05


class World:
    """Everything one seed decides; `problems` tells what went wrong."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self._dice = dice = random.Random(seed)
        self._clock = clock
        self._load = generate(
            seed, EVENTS, tenants=TENANTS, start_ms=START_MS, duplicates=0.1, late=0.1, poison=0.1
        )
        self._order = shuffled(self._load.messages, seed)
        self._stories: list[Story] = []
        self.problems: list[str] = []
        self._truth, self._hashes = Chain(), set[bytes]()
        self._broker = Broker(clock, self._appended)
        self._archive = Archive()
        self._progress = ArchiveProgress(None)  # type: ignore[arg-type]  told, it never asks
        self._keeper = Keeper(self._new_worker, dice)
        self._harmed = dice.random() < HARMED
        self._archive.on_read = self._read_from_archive

    async def play(self) -> None:
        """All of it, from the first event to the last comparison."""
        self._begin_journal()
        self._link = Link(self._broker, self._dice, reliable=True)
        with self._progress.told_here(0, -1):
            roles = [asyncio.create_task(work) for work in (self._keeper.keep(), self._archiving())]
            business = asyncio.create_task(self._business())
            await self._go_wrong()
            await self._ends(business, "the business does not come to its end")
            await self._quiet()
            self._keeper.forget_folders()
            await self._keeper.lose_a_folder()
            await self._quiet()
            for role in roles:
                role.cancel()
            results = await asyncio.gather(*roles, return_exceptions=True)
        self.problems += [repr(each) for each in results if isinstance(each, Exception)]
        self._judge()

    # -- what is there ------------------------------------------------------------------------

    def _begin_journal(self) -> None:
        start = Position(1, 0)
        ids = (b"g" * 16, 1, 0, 1, 0, start, NO_HASH, NO_HASH, 1, START_MS, bytes(16))
        self._broker.append(TOPICS.journal.name, None, CODEC.encode(Genesis(*ids)))

    def _new_worker(self, name: str, shelf: Shelf) -> Worker:
        sources = (self._archive, self._progress)
        return Worker(name, self._broker, shelf, sources, self._dice, self._acked)

    def _appended(self, topic: str, record: Record) -> None:
        """What no record may break, seen when it enters a log."""
        if topic == TOPICS.journal.name:
            found = self._truth.accept(record.value)
            if found is not None and not isinstance(found, Claim):
                self._hashes.add(self._truth.record_hash)
        elif topic == TOPICS.changelog.name and record.key == CHECKPOINT_KEY:
            checkpoint = CHECKPOINTS.decode(record.value[8:])
            if checkpoint.record_hash not in self._hashes:
                self.problems.append(f"checkpoint {checkpoint.seq} is of no committed record")

    def _acked(self, offset: int) -> None:
        if self._truth.next.offset <= offset:
            self.problems.append(f"inbound {offset} was acknowledged before it was committed")

    def _read_from_archive(self) -> None:
        """Only a harmed changelog explains it, or a worker that finds what its successor wrote."""
        if not self._harmed and self._keeper.alone:
            self.problems.append("rows were read from the archive although no log was harmed")

    async def _archiving(self) -> None:
        reader = Reader(self._link, TOPICS.journal.name, 0)
        async for record in reader.follow(0):
            self._archive.take(record)
            chain = self._archive.chain
            self._progress.note(0, chain.seq, chain.next)

    # -- business -----------------------------------------------------------------------------

    async def _business(self) -> None:
        await self._publish()
        await self._all_known()
        for number, story in enumerate(self._load.stories):
            await self._pay(number, story)
            self._stories.append(story)

    async def _publish(self) -> None:
        """Bundles as a bridge makes them, some again later."""
        dice, messages = self._dice, list(self._order)
        again: list[list[Message]] = []
        while messages or again:
            if messages and (not again or dice.random() < 0.7):
                size = dice.randint(*BUNDLE)
                bundle, messages = messages[:size], messages[size:]
                if dice.random() < REDELIVERED:
                    again.append([each for each in bundle if not each.reason])
            else:
                bundle = again.pop(dice.randrange(len(again)))
            await self._bundle(bundle)
            await asyncio.sleep(dice.uniform(0, 0.3))

    async def _bundle(self, messages: Sequence[Message]) -> None:
        good: list[bytes] = []
        for message in messages:
            _, refused = judge(message.subject, message.raw, 1)
            if refused:
                await self._append(Stamp("nats", refused), kept(message.raw))
            else:
                good.append(message.raw)
        if good:
            await self._append(Stamp("nats"), pack(good))

    async def _append(self, stamp: Stamp, value: bytes) -> None:
        headers = SIGNER.headers(stamp, 0, value)
        await (await self._link.send(TOPICS.inbound.name, value, partition=0, headers=headers))

    async def _say(self, ingress: str, kind: str, tenant_id: str, event_id: str, data) -> Entry:
        """Append an event, now and then twice, until it is decided and archived."""
        now_ms = self._clock.time_ns() // 1_000_000
        raw = envelope(kind, tenant_id, data, event_id=event_id, timestamp_ms=now_ms)
        for _ in range(self._dice.choice((1, 1, 2))):
            await self._append(Stamp(ingress), raw)
        while True:
            for entry in self._archive.entries:
                if (entry.tenant_id, entry.event_id) == (tenant_id, event_id):
                    return entry
            await asyncio.sleep(POLL_S)

    async def _pay(self, number: int, story: Story) -> None:
        tenant_id = story.tenant_id
        created = await self._say(
            "http", CREATE_INTENT, tenant_id, f"intent-{number}", wish_of(story)
        )
        assert created.reply is not None
        confirm = confirm_of(created.reply.body)
        confirmed = await self._say("http", CONFIRM, tenant_id, f"confirm-{number}", confirm)
        if story.doubled:
            again = await self._say("http", CONFIRM, tenant_id, f"again-{number}", confirm)
            assert again.status == "refused"
        for call in confirmed.calls:
            for kind, event_id, data in words_of_gateway(call.call_id, json.loads(call.request)):
                await self._say("internal", kind, tenant_id, event_id, data)

    # -- faults and quiet ---------------------------------------------------------------------

    async def _go_wrong(self) -> None:
        dice, menu = self._dice, self._keeper.menu(harm_changelog=self._harmed)
        for _ in range(dice.randint(*FAULTS)):
            await asyncio.sleep(dice.uniform(*PAUSE_S))
            await dice.choice(menu)()

    async def _all_known(self) -> None:
        """Everything published is decided once, parked or not."""
        last = self._broker.log(TOPICS.inbound.name).end
        while self._archive.chain.next.offset < last:
            await asyncio.sleep(POLL_S)
        while self._archive.rows(Parked) or self._archive.rows(Release):
            await asyncio.sleep(POLL_S)

    async def _quiet(self) -> None:
        """Return when a worker has decided everything, and the archive knows."""
        await self._ends(self._all_settled(), "no progress when all faults are over")

    async def _ends(self, work: Awaitable[None], else_words: str) -> None:
        """The faults are over: it has to end now, in its time."""
        try:
            async with asyncio.timeout(QUIET_WITHIN_S):
                await work
        except TimeoutError:
            self.problems.append(else_words)

    async def _all_settled(self) -> None:
        await self._all_known()
        while not self._settled():
            await asyncio.sleep(POLL_S)

    def _settled(self) -> bool:
        worker, end = self._keeper.current, self._broker.log(TOPICS.inbound.name).end
        if worker is None or worker.seat is None or worker.over.is_set():
            return False
        writer = worker.seat.writer
        if not writer.serving or writer.committed.next.offset < end:
            return False
        if self._archive.chain.next.offset < end:
            return False
        if worker.digest != int.from_bytes(self._truth.digest, "big"):
            self.problems.append(f"{worker.name} serves other rows than the journal's")
        return True

    # -- judgement ----------------------------------------------------------------------------

    @property
    def cores(self) -> list[Archive]:
        """What the model compares: the archive's rows and entries."""
        return [self._archive]

    @property
    def told(self) -> list[tuple[int, int, str, str]]:
        """What was decided, in order."""
        entries = self._archive.entries
        return [(each.offset, each.index, each.event_id, each.status) for each in entries]

    def _judge(self) -> None:
        audit, replay = Audit(0, 1), Replay(0, 1)
        for record in self._archive.records:
            audit.read(record.bytes)
            difference = replay.take(record.bytes)
            if difference is not None:
                self.problems.append(str(difference))
                break
        self.problems += map(str, audit.finish().violations)
        seen = shown(self)
        seen.at_least_once = True
        self.problems += differences(expected(self._load.messages, self._stories), seen)

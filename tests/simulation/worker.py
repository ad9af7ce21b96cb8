"""A worker's process of the simulated world: the product's own parts on played ones."""

import asyncio
import contextvars
import random
from collections.abc import Callable
from typing import Any, NoReturn

import agents.services  # noqa: F401  fills the registry
from agents.roles.answers import Answers
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.internal import append_internal
from agents.roles.journal_writer import JournalWriter
from agents.roles.mailbox import Mail
from agents.roles.seat import Seat
from agents.roles.takeover import Sources, correct_changelog, take_over
from agents.roles.writer import Limits, PartitionWriter
from streams.inbound import Signer
from streams.topics import Topics
from tables.checkpoint import ChangelogWriter
from tests.simulation.broker import Broker, Link, Reader
from tests.simulation.loop import OWNER
from tests.simulation.shelf import Shelf

TOPICS = Topics()
SIGNER = Signer(b"simulation key of thirty-two bytes")
LIMITS = Limits(batch_events=20)


class Ended(Exception):
    """The process would have ended here."""


class Inlet:
    """Internal events go into the inbound log like all others."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def say(self, partition: int, **event: Any) -> int:
        return await append_internal(self._link, SIGNER, TOPICS, partition, **event)


class Worker:
    """Claims, recovers, decides, remembers; until it ends itself or is killed."""

    def __init__(
        self,
        name: str,
        broker: Broker,
        shelf: Shelf,
        archived: tuple[Any, ArchiveProgress],
        dice: random.Random,
        done: Callable[[int], None],
    ) -> None:
        self.name, self.link = name, Link(broker, dice)
        self.over = asyncio.Event()
        self.ended: BaseException | None = None
        self.seat: Seat | None = None
        self._shelf = shelf
        self._archive, self._progress = archived
        self._done = done
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, generation: int) -> None:
        """Begin in a context of its own: all tasks from here on are this process's."""
        context = contextvars.copy_context()
        context.run(OWNER.set, self._tasks)
        loop = asyncio.get_running_loop()
        context.run(loop.create_task, self._run(generation))

    def kill(self) -> None:
        """SIGKILL: nothing of it runs on, what it has sent may arrive."""
        self.link.cut()
        self.over.set()
        for task in list(self._tasks):
            task.cancel()

    @property
    def digest(self) -> int:
        """Of all rows as it has them."""
        assert self.seat is not None
        return self.seat.writer.fold.working.digest

    def _die(self, error: BaseException) -> NoReturn:
        if not self.over.is_set():
            self.ended = error
            self.kill()
        raise Ended from error

    async def _run(self, generation: int) -> None:
        try:
            self.seat = await self._take_over(generation)
            self.seat.start()
            await self._feed(self.seat.writer)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            try:
                self._die(error)
            except Ended:
                return

    async def _take_over(self, generation: int) -> Seat:
        link: Any = self.link
        shelf: Any = self._shelf
        journal = JournalWriter(link, link, TOPICS.journal.name, 0)
        await journal.claim(self.name, generation)
        sources = Sources(link, TOPICS, self._archive)
        taken = await take_over(0, shelf, journal, sources, lambda: None)
        changelog = ChangelogWriter(link, TOPICS.changelog.name, 0, taken.changelog_end)
        await correct_changelog(shelf, changelog, taken, lambda: None)
        inlet: Any = Inlet(self.link)
        writer = PartitionWriter(
            taken.recovered,
            journal,
            partition=0,
            partitions=1,
            signer=SIGNER,
            answers=Answers(),
            archived=self._progress,
            answer_when_archived=False,
            inbound=(link, TOPICS.inbound.name),
            limits=LIMITS,
            die=self._die,
        )
        return Seat(
            writer,
            shelf,
            changelog,
            inlet=inlet,
            die=self._die,
            is_member=lambda: True,  # at its worst: a worker that slept never hears of it in time
            tick_s=10.0,
            checkpoint_s=1.0,
        )

    async def _feed(self, writer: PartitionWriter) -> None:
        reader = Reader(self.link, TOPICS.inbound.name, 0)
        async for record in reader.follow(writer.next.offset):
            offset = record.offset
            await writer.put(
                Mail(
                    offset,
                    record.timestamp_ms,
                    record.headers,
                    record.value,
                    lambda offset=offset: self._done(offset),
                )
            )

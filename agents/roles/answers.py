"""Who waits for what: callers of commands, until the decision about their event is safe."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.desk import Decision
from streams.journal import Batch, Entry

WITHIN_S = 60.0


class Answers:
    """Futures of this process's callers by (tenant, event)."""

    def __init__(self) -> None:
        self._waiting: defaultdict[tuple[str, str], list[asyncio.Future[Decision]]]
        self._waiting = defaultdict(list)

    @contextmanager
    def expect(self, tenant_id: str, event_id: str) -> Iterator["asyncio.Future[Decision]"]:
        """A future of the next decision about this event; register before appending it."""
        key = (tenant_id, event_id)
        future: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._waiting[key].append(future)
        try:
            yield future
        finally:
            waiting = self._waiting[key]
            if future in waiting:
                waiting.remove(future)
            if not waiting:
                del self._waiting[key]

    def of(self, entries: list[Entry]) -> list[Entry]:
        """Those of these entries that somebody waits for."""
        if not self._waiting:
            return []
        return [entry for entry in entries if (entry.tenant_id, entry.event_id) in self._waiting]

    def give(self, partition: int, seq: int, entries: list[Entry]) -> None:
        """The decisions are safe: answer whoever waits for them."""
        for entry in entries:
            for future in self._waiting.get((entry.tenant_id, entry.event_id), ()):
                if not future.done():
                    future.set_result(Decision(entry, partition, seq))


class Answering:
    """Answers the callers of one partition: once committed, or once archived as well."""

    def __init__(
        self, partition: int, answers: Answers, archived: ArchiveProgress, *, when_archived: bool
    ) -> None:
        self._partition, self._answers = partition, answers
        self._archived, self._when_archived = archived, when_archived
        self._waiting: set[asyncio.Task[None]] = set()

    def committed(self, record: Batch) -> None:
        """The record counts: answer whoever waits for its entries, now or when it is archived."""
        wanted = self._answers.of(record.entries)
        if not wanted:
            return
        if not self._when_archived:
            self._answers.give(self._partition, record.seq, wanted)
            return
        task = asyncio.create_task(self._give_archived(record, wanted))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _give_archived(self, record: Batch, wanted: list[Entry]) -> None:
        try:
            await self._archived.wait_for(self._partition, record.next, WITHIN_S)
        except TimeoutError:
            return  # the caller's own deadline is shorter: it was told "outcome unknown"
        self._answers.give(self._partition, record.seq, wanted)

"""Who waits for what: callers of commands, until the decision about their event is safe."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from agents.roles.desk import Decision
from streams.journal import Entry


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

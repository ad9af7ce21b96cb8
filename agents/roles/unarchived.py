"""What one partition has journaled and the archive has not read: bounded, or the writer waits."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from agents.roles.archive_progress import ArchiveProgress
from streams.journal import Position

POLL_S = 1.0


class Unarchived:
    """Bytes of journal records that wait for the archive; `throttled` while that holds us up."""

    def __init__(self, partition: int, archived: ArchiveProgress, limit_bytes: int) -> None:
        self.throttled = False
        self._partition, self._archived = partition, archived
        self._limit_bytes = limit_bytes
        self._records: deque[tuple[Position, int]] = deque()
        self._bytes = 0

    def add(self, position: Position, size_bytes: int) -> None:
        """A record that ends at this position is committed."""
        self._records.append((position, size_bytes))
        self._bytes += size_bytes
        self._forget()

    async def room(self, *, unless: Callable[[], bool]) -> None:
        """Return when more may be journaled, or `unless` no longer wants to wait."""
        self._forget()
        while self._bytes > self._limit_bytes and not unless():
            self.throttled = True
            position, _ = self._records[0]
            with suppress(TimeoutError):
                await self._archived.wait_for(self._partition, position, POLL_S)
            self._forget()
        self.throttled = False

    def _forget(self) -> None:
        _, reached = self._archived.get(self._partition)
        while self._records and self._records[0][0] <= reached:
            self._bytes -= self._records.popleft()[1]

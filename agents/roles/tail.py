"""The end of one partition's archive, as this process archived it: read here, not from Postgres.

Holds only what is committed there. Bounded in bytes; who is further behind reads Postgres.
"""

from collections import deque

from streams.journal import Batch, Genesis

KEPT_BYTES = 2 * 1024 * 1024  # of encoded records; decoded they take a few times that
AT_ONCE = 64

Archived = Batch | Genesis


class Tail:
    """Consecutive records up to the last archived one."""

    def __init__(self, seq: int) -> None:
        self._last = seq
        self._records: deque[tuple[Archived, int]] = deque()
        self._bytes = 0

    def add(self, record: Archived, size_bytes: int) -> None:
        """The next record; the oldest go when there are too many bytes."""
        self._last = record.seq
        self._records.append((record, size_bytes))
        self._bytes += size_bytes
        while self._bytes > KEPT_BYTES and len(self._records) > 1:
            self._bytes -= self._records.popleft()[1]

    def after(self, seq: int) -> list[Archived] | None:
        """Some records that follow `seq`, none if nothing does; None when they are not here."""
        missing = self._last - seq
        if missing <= 0:
            return []
        if missing > len(self._records):
            return None
        start = len(self._records) - missing
        stop = min(start + AT_ONCE, len(self._records))
        return [self._records[at][0] for at in range(start, stop)]

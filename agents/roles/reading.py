"""Queries see rows as they are decided, and are answered once what they saw is committed.

Under load there is always something on its way to the journal, but seldom what was asked for:
only who read a row that is has to wait.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from agents.registry import Rows, View
from agents.roles.writer import PartitionWriter
from tables.row import Row


class Reading:
    """Rows that remember what was asked of them."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._keys: set[bytes] = set()
        self._prefixes: list[bytes] = []

    def get(self, key: bytes) -> Row | None:
        """The row under `key`, or None."""
        self._keys.add(key)
        return self._rows.get(key)

    def scan(self, prefix: bytes, limit: int, start: bytes = b"") -> list[Row]:
        """At most `limit` rows whose keys begin with `prefix`, in key order, from `start` on."""
        self._prefixes.append(prefix)
        return self._rows.scan(prefix, limit, start)

    def saw(self, keys: Collection[bytes]) -> bool:
        """Whether one of these rows was, or could have been, among what was read."""
        if not self._keys.isdisjoint(keys):
            return True
        return any(key.startswith(prefix) for prefix in self._prefixes for key in keys)


@asynccontextmanager
async def committed_view(writer: PartitionWriter) -> AsyncIterator[View]:
    """The writer's rows; leaving the block waits until all that was read is committed."""
    reading = Reading(writer.fold.working)
    yield View(reading)
    if any(reading.saw(keys) for keys in writer.uncommitted()):
        await writer.settled()

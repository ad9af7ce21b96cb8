"""What one partition has received and not decided yet: inbound records in order, bounded in bytes.

Holds; decides nothing, and drops only what comes again.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mail:
    """One inbound record as Faust delivered it; `done` tells Faust that it is decided."""

    offset: int
    received_ms: int
    headers: Any
    value: bytes
    done: Callable[[], Any]


class Mailbox:
    """Records between Faust and the writer; `limit_bytes` is exceeded by one record at most."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._mail: deque[Mail] = deque()
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()

    @property
    def first(self) -> Mail | None:
        """The record to decide next; it stays until `over`."""
        return self._mail[0] if self._mail else None

    async def room(self) -> None:
        """Return when another record may come."""
        await self._room.wait()

    def add(self, mail: Mail) -> None:
        """Take a record; its sender has waited for `room`."""
        self._mail.append(mail)
        self._bytes += len(mail.value)
        if self._bytes >= self._limit_bytes:
            self._room.clear()

    def add_first(self, mails: list[Mail]) -> None:
        """Take records that have to be decided before all others."""
        self._mail.extendleft(reversed(mails))
        self._bytes += sum(len(mail.value) for mail in mails)

    def over(self) -> None:
        """The first record is decided."""
        self._bytes -= len(self._mail.popleft().value)
        self._room.set()

    def drop(self) -> None:
        """Forget everything: the log has it, and whoever owns the partition next gets it."""
        self._mail.clear()
        self._bytes = 0
        self._room.set()

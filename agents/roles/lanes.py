"""One partition's way from NATS to the log: packed, appended in order, acknowledged when safe.

A message is acknowledged only after `progress` covers its record, or given back to NATS when the
log was replaced meanwhile. Knows nothing of what the messages say.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from agents.roles.inlet import Inlet
from streams.errors import LogBetrayed
from streams.inbound import MAX_ENVELOPES, MAX_RECORD_BYTES, Stamp, pack
from streams.journal import Position
from streams.signals import crash_here

RECORD_EVERY_S, MANY = 0.05, 200
WAIT_S = 5.0
REPLACED_WITHIN_S = 60.0
_BRIDGED = Stamp("nats")


class Progress(Protocol):
    """How far a partition is safe: archived, or committed to the journal."""

    def get(self, partition: int) -> tuple[int, Position]:
        """(seq, next position) of the last safe record; seq -1 when none is known."""

    async def wait_for(self, partition: int, position: Position, timeout_s: float) -> None:
        """Return once everything before `position` is safe; TimeoutError after `timeout_s`."""

    async def wait_past(self, partition: int, seq: int, timeout_s: float) -> None:
        """Return once a record after `seq` is safe; TimeoutError after `timeout_s`."""


@dataclass(slots=True)
class Carried:
    """A message on its way: its ack subject, and the value it becomes.

    With a `refused` reason the value stands alone in its record, as it is.
    """

    reply: str
    value: bytes
    refused: str
    touched_s: float


@dataclass(frozen=True, slots=True)
class _Appended:
    """A record that Kafka has: where it is, and the messages in it.

    `log` is the log that was last known; `below` says that the offset was decided there already.
    """

    log: int
    offset: int
    carried: list[Carried]
    below: bool


Settle = Callable[[list[Carried], bool], Awaitable[None]]
"""Acknowledge messages to NATS (True), or give them back for another delivery (False)."""


def next_record(waiting: deque[Carried]) -> tuple[Stamp, list[Carried]]:
    """Take what goes into the next record: one refused message, or as many good ones as fit."""
    first = waiting.popleft()
    if first.refused:
        return Stamp("nats", first.refused), [first]
    carried, size = [first], len(first.value) + 2
    while waiting and len(carried) < MAX_ENVELOPES:
        size += len(waiting[0].value) + 1
        if waiting[0].refused or size > MAX_RECORD_BYTES:
            break
        carried.append(waiting.popleft())
    return _BRIDGED, carried


class Lane:
    """The messages of one partition, in the order of their arrival."""

    def __init__(self, partition: int, inlet: Inlet, progress: Progress, settle: Settle) -> None:
        self._partition = partition
        self._inlet, self._progress, self._settle = inlet, progress, settle
        self._waiting: deque[Carried] = deque()
        self._appended: deque[_Appended] = deque()
        self._next_record_s = 0.0
        self._came = asyncio.Event()
        self._went = asyncio.Event()

    def add(self, carried: Carried) -> None:
        """Take a message; it is packed with its neighbours when the lane gets to it."""
        self._waiting.append(carried)
        self._came.set()

    async def append_for_ever(self) -> None:
        """Append what was added, one record after the other."""
        await self._know_the_log()
        while True:
            await self._came.wait()
            self._came.clear()
            while self._waiting:
                await self._gather()
                stamp, carried = next_record(self._waiting)
                if stamp.refused:
                    value = carried[0].value
                else:
                    value = pack([each.value for each in carried])
                await self._append(stamp, value, carried)

    async def _gather(self) -> None:
        """Wait for neighbours after a record just before: they share what a record costs."""
        early_s = self._next_record_s - time.monotonic()
        if early_s > 0 and len(self._waiting) < MANY:
            await asyncio.sleep(early_s)
        self._next_record_s = time.monotonic() + RECORD_EVERY_S

    async def settle_for_ever(self) -> None:
        """Settle what was appended, as progress covers it."""
        while True:
            await self._went.wait()
            self._went.clear()
            while self._appended:
                first = self._appended[0]
                safe = await self._covered(first)
                self._appended.popleft()
                if safe:
                    crash_here("S3")
                await self._settle(first.carried, safe)

    async def _know_the_log(self) -> None:
        while self._progress.get(self._partition)[0] < 0:
            with suppress(TimeoutError):
                await self._progress.wait_past(self._partition, -1, WAIT_S)

    async def _append(self, stamp: Stamp, value: bytes, carried: list[Carried]) -> None:
        _, safe = self._progress.get(self._partition)
        offset = await self._inlet.append(self._partition, stamp=stamp, value=value)
        crash_here("S2")
        self._appended.append(_Appended(safe.log, offset, carried, below=offset < safe.offset))
        self._went.set()

    async def _covered(self, appended: _Appended) -> bool:
        """Wait until the record is safe; False when the log it stands in was replaced."""
        if appended.below:
            await self._other_log(appended)
            return False
        wanted = Position(appended.log, appended.offset + 1, 0)
        while True:
            _, safe = self._progress.get(self._partition)
            if safe.log != appended.log:
                return False
            if safe >= wanted:
                return True
            with suppress(TimeoutError):
                await self._progress.wait_for(self._partition, wanted, WAIT_S)

    async def _other_log(self, appended: _Appended) -> None:
        """Wait until it is known that the log was replaced: nothing else explains this offset.

        After a restore or rebase that is known as soon as the archive has read the new journal's
        beginning. Otherwise Kafka lost what was decided on.
        """
        until_s = time.monotonic() + REPLACED_WITHIN_S
        while time.monotonic() < until_s:
            seq, safe = self._progress.get(self._partition)
            if safe.log != appended.log:
                return
            with suppress(TimeoutError):
                await self._progress.wait_past(self._partition, seq, WAIT_S)
        raise LogBetrayed(
            f"inbound[{self._partition}] ends at {appended.offset}, before what was decided:"
            " run `treasury restore`"
        )

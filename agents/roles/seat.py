"""One partition that this process holds: its writer, its checkpoints, its clock ticks.

Started and paused as a whole, one after the other, never twice at once. Knows nothing of Faust.
"""

import asyncio
import time
import uuid
from collections.abc import Callable

from agents.clock import TICKED
from agents.decide import SYSTEM_TENANT
from agents.roles.inlet import Inlet
from agents.roles.process import Die, or_die
from agents.roles.writer import PartitionWriter
from streams.errors import OutcomeUnknown
from tables.checkpoint import ChangelogWriter, Checkpoint, checkpoint_of, write_checkpoint
from tables.store import PartitionStore

PAUSE_TIMEOUT_S = 5.0
CHECKPOINT_TIMEOUT_S = 15.0
CHECKPOINT_ROWS = 20_000
POLL_S = 0.1
_NAMESPACE = uuid.UUID("6f0f5d0e-6d2b-5b7e-9a39-1f1f6a0c7d11")


class Seat:
    """A partition's writer with what runs beside it; `checkpoint` is the last one written."""

    def __init__(
        self,
        writer: PartitionWriter,
        store: PartitionStore,
        changelog: ChangelogWriter,
        *,
        inlet: Inlet,
        die: Die,
        is_member: Callable[[], bool],
        tick_s: float,
        checkpoint_s: float,
    ) -> None:
        self.writer = writer
        self.checkpoint: Checkpoint | None = None
        self._store, self._changelog = store, changelog
        self._inlet, self._die = inlet, die
        self._is_member = is_member
        self._tick_s, self._checkpoint_s = tick_s, checkpoint_s
        self._checkpointed_at = time.monotonic()
        self._stopping = asyncio.Event()
        self._checkpoints: asyncio.Task[None] | None = None
        self._ticks: asyncio.Task[None] | None = None

    @property
    def checkpoint_age_s(self) -> float:
        """Seconds since the stored rows last agreed with what was committed."""
        return time.monotonic() - self._checkpointed_at

    def start(self) -> None:
        """Decide, remember and tick; only after construction or `pause`."""
        if self._checkpoints is not None:
            raise RuntimeError(f"partition {self.writer.partition} runs already")
        self._stopping.clear()
        self.writer.start()
        self._checkpoints = asyncio.create_task(or_die(self._checkpoint_for_ever(), self._die))
        self._ticks = asyncio.create_task(or_die(self._tick_for_ever(), self._die))

    async def pause(self) -> None:
        """Commit the batch in hand, end a checkpoint under way; nothing runs afterwards.

        A no-op when nothing runs. What does not end in time ends the process.
        """
        self._stopping.set()
        await self.writer.pause(PAUSE_TIMEOUT_S)
        ticks, self._ticks = self._ticks, None
        if ticks is not None:
            ticks.cancel()
            await asyncio.gather(ticks, return_exceptions=True)
        checkpoints, self._checkpoints = self._checkpoints, None
        if checkpoints is not None:
            try:
                await asyncio.wait_for(asyncio.shield(checkpoints), CHECKPOINT_TIMEOUT_S)
            except TimeoutError:
                partition = self.writer.partition
                self._die(OutcomeUnknown(f"partition {partition}: checkpoint not over in time"))

    async def write_checkpoint(self) -> None:
        """Store everything committed so far; only while paused, or by our own task."""
        writer = self.writer
        images, writer.unflushed = writer.unflushed, {}
        self._checkpointed_at = time.monotonic()
        if not images:
            return
        checkpoint = checkpoint_of(writer.committed, writer.committed_offset)
        await write_checkpoint(self._store, self._changelog, images, checkpoint)
        self.checkpoint = checkpoint
        unchanged = (images.keys() - writer.unflushed.keys()).difference(*writer.uncommitted())
        writer.fold.working.stored({key: value for key, (_, value) in images.items()}, unchanged)

    async def _checkpoint_for_ever(self) -> None:
        while not self._stopping.is_set():
            until = time.monotonic() + self._checkpoint_s
            while time.monotonic() < until and len(self.writer.unflushed) < CHECKPOINT_ROWS:
                if self._stopping.is_set():
                    return
                await asyncio.sleep(POLL_S)
            if self._is_member():
                await self.write_checkpoint()
            # Else we slept: rows written now would make the present owner think it is fenced.

    async def _tick_for_ever(self) -> None:
        """Time enters the log here: a tick per interval, and at once while work is left over."""
        last = -1
        while True:
            slot = int(time.time() // self._tick_s)
            if slot != last:
                last = slot
                await self._tick(f"slot {slot} of {self._tick_s:g} s")
            elif self.writer.fold.parking.more_to_do:
                position = self.writer.next
                await self._tick(f"at {position.log} {position.offset}")
            await asyncio.sleep(0.25)

    async def _tick(self, name: str) -> None:
        partition = self.writer.partition
        await self._inlet.say(
            partition,
            tenant_id=SYSTEM_TENANT,
            event_type=TICKED,
            event_id=str(uuid.uuid5(_NAMESPACE, f"{partition} {name}")),
            data={},
        )

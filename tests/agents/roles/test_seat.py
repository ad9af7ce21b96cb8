"""What runs beside a writer: an error in it ends the process, and two workers may run it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agents.roles import seat as role
from agents.roles.seat import Seat
from streams.errors import OutcomeUnknown
from tests.agents.roles.writing import WITHIN_S, Ended, Writing, writing


class Inlet:
    """Remembers the ids of what is said; `broken` is raised instead."""

    def __init__(self, broken: Exception | None = None) -> None:
        self.said: list[str] = []
        self._broken = broken

    async def say(self, _partition: int, *, event_id: str, **_: Any) -> int:
        if self._broken is not None:
            raise self._broken
        self.said.append(event_id)
        return 0


class Seated:
    """A seat whose end of the process is noted."""

    def __init__(self, found: Writing, inlet: Inlet, *, is_member: bool = True) -> None:
        self.ended: BaseException | None = None
        nobody: Any = None
        anyhow: Any = inlet
        self.seat = Seat(
            found.writer,
            nobody,
            nobody,
            inlet=anyhow,
            die=self._die,
            is_member=lambda: is_member,
            tick_s=1e12,  # one slot, whenever the test runs
            checkpoint_s=0.01,
        )

    def _die(self, error: BaseException) -> Any:
        self.ended = self.ended or error
        raise Ended from error

    async def until_ended(self) -> BaseException:
        async with asyncio.timeout(WITHIN_S):
            while self.ended is None:
                await asyncio.sleep(0.01)
        return self.ended


@asynccontextmanager
async def seated(inlet: Inlet, **options: Any) -> AsyncIterator[Seated]:
    """A seat that was started; its writer is paused when the block ends."""
    async with writing() as found:
        await found.writer.pause(WITHIN_S)
        seated = Seated(found, inlet, **options)
        seated.seat.start()
        try:
            yield seated
        finally:
            await asyncio.gather(seated.seat.pause(), return_exceptions=True)


class TestAnError:
    async def test_of_a_tick_ends_the_process(self):
        error = RuntimeError("tick")
        async with seated(Inlet(broken=error)) as found:
            assert await found.until_ended() is error

    async def test_of_a_checkpoint_ends_the_process(self, monkeypatch):
        error = RuntimeError("checkpoint")

        async def fails() -> None:
            raise error

        async with seated(Inlet()) as found:
            monkeypatch.setattr(found.seat, "write_checkpoint", fails)
            assert await found.until_ended() is error


class TestTicks:
    async def test_of_two_workers_are_one_event(self):
        inlet = Inlet()
        async with seated(inlet), seated(inlet):
            async with asyncio.timeout(WITHIN_S):
                while len(inlet.said) < 2:
                    await asyncio.sleep(0.01)
        assert len(set(inlet.said)) == 1


class TestCheckpoints:
    async def test_are_not_written_by_one_that_may_have_been_replaced(self, monkeypatch):
        written = []

        async def notes() -> None:
            written.append(True)

        async with seated(Inlet(), is_member=False) as late, seated(Inlet()) as other:
            monkeypatch.setattr(other.seat, "write_checkpoint", notes)
            monkeypatch.setattr(late.seat, "write_checkpoint", _never)
            async with asyncio.timeout(WITHIN_S):
                while len(written) < 3:
                    await asyncio.sleep(0.01)
            assert late.ended is None

    async def test_that_do_not_end_in_time_end_the_process(self, monkeypatch):
        monkeypatch.setattr(role, "CHECKPOINT_TIMEOUT_S", 0.05)
        writing_it = asyncio.Event()

        async def hangs() -> None:
            writing_it.set()
            await asyncio.Event().wait()

        async with seated(Inlet()) as found:
            monkeypatch.setattr(found.seat, "write_checkpoint", hangs)
            await asyncio.wait_for(writing_it.wait(), WITHIN_S)
            hanging = found.seat._checkpoints
            assert hanging is not None
            with pytest.raises(Ended):
                await found.seat.pause()
            assert isinstance(found.ended, OutcomeUnknown)
            hanging.cancel()


class TestStarting:
    async def test_twice_is_refused(self):
        async with seated(Inlet()) as found:
            with pytest.raises(RuntimeError, match="runs already"):
                found.seat.start()


async def _never() -> None:
    raise AssertionError("a checkpoint of rows that may be somebody else's")

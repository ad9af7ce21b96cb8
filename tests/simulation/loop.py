"""An event loop without waiting: when nothing can run, time jumps to what comes next."""

import asyncio
import selectors
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

OWNER: ContextVar["set[asyncio.Task[Any]] | None"] = ContextVar("OWNER", default=None)
"""The tasks of the process that the running code belongs to; every task it begins is added."""


class StandsStill(Exception):
    """Nothing can run and nothing is to come: whoever waits would wait for ever."""


class _Jumping(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise StandsStill
        self.now_s += timeout
        return []


class TimelessLoop(asyncio.SelectorEventLoop):
    """`time()` is virtual, and so is every timeout and sleep on it."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self.set_task_factory(_owned)

    def time(self) -> float:
        return self._jumping.now_s


def _owned(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> "asyncio.Task[Any]":
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    owner = OWNER.get()
    if owner is not None:
        owner.add(task)
        task.add_done_callback(owner.discard)
        task.add_done_callback(_looked_at)
    return task


def _looked_at(task: "asyncio.Task[Any]") -> None:
    """A process that is over leaves tasks that nobody awaits; its end is noted elsewhere."""
    if not task.cancelled():
        task.exception()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a loop of its own; what is left over is cancelled."""
    loop = TimelessLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        while left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left, timeout=1))
        loop.close()


class Clock:
    """Stands for the module `time` in the product's files: the loop's time, from a fixed start."""

    def __init__(self, start_s: float) -> None:
        self._start_s = start_s

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def time(self) -> float:
        return self._start_s + self.monotonic()

    def time_ns(self) -> int:
        return int(self.time() * 1_000_000_000)

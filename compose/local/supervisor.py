"""Keeps a worker process running: restarts it with backoff and jitter when it ends by itself."""

import asyncio
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from agents.roles.process import EXIT_REFUSED
from compose.local.processes import Command, ServiceProcess

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 15.0
STEADY_S = 60.0
STOP_WITHIN_S = 20.0


class Stop(NamedTuple):
    """How a child ended that was told to: after how long, and with which code."""

    seconds: float
    code: int | None


class Supervisor:
    """One supervised child; `gave_up` is set to its reason when a restart cannot help."""

    def __init__(self, command: Command, tell: Callable[[str], None]) -> None:
        self.command = command
        """What the next start runs."""
        self._tell = tell
        self._process = ServiceProcess(command)
        self._task: asyncio.Task[None] | None = None
        self.gave_up: asyncio.Future[str] | None = None
        self.codes: list[int | None] = []
        """How it ended by itself, each time."""
        self.stops: list[Stop] = []
        """How it ended when it was told to, each time."""

    @property
    def restarts(self) -> int:
        """How often it ended by itself."""
        return len(self.codes)

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid

    async def start(self) -> None:
        """Start the child, and watch it from now on."""
        self.gave_up = asyncio.get_running_loop().create_future()
        await self._spawn()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL after 20 s."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        running, started = self._process.running, time.monotonic()
        await self._process.stop(signal.SIGTERM, STOP_WITHIN_S)
        if running:
            self.stops.append(Stop(time.monotonic() - started, self._process.exit_code))

    async def _run(self) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            started = time.monotonic()
            await self._process.ended()
            code = self._process.exit_code
            self.codes.append(code)
            if code == EXIT_REFUSED:
                assert self.gave_up is not None
                self.gave_up.set_result(
                    f"{self.command.name} refuses to go on; see {self.command.log_path}"
                )
                return
            if time.monotonic() - started > STEADY_S:
                delay_s = FIRST_DELAY_S
            pause_s = delay_s * random.uniform(0.8, 1.2)
            self._tell(f"{self.command.name} ended with code {code}; again in {pause_s:.1f} s")
            await asyncio.sleep(pause_s)
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)
            await self._spawn()

    async def _spawn(self) -> None:
        self._process = ServiceProcess(self.command)
        await self._process.start(_at_once, 5.0)


async def _at_once() -> bool:
    return True

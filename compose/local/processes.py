"""Child processes of the local stack: start, wait until ready, stop, kill, and say what went wrong.

A child runs in its own session, so that Ctrl-C in the terminal reaches only us and we stop the
children in order; on Linux it also ends when we do. Knows nothing of the services themselves.
"""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")
LOCK_WAIT_S = 20.0
POLL_S = 0.03
LOG_TAIL_LINES = 25
# Below the ephemeral range of Linux and macOS: a client that retries a dead ephemeral port on
# loopback can connect to itself and keep the port from the service that wants it back.
PORTS = range(15_000, 32_000)
_given: set[int] = set()


class StartError(RuntimeError):
    """A local service did not become ready; the message ends with the tail of its log."""


@dataclass(frozen=True)
class Command:
    """How to start one service. `folder` holds its log, its lock and its data."""

    name: str
    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    account: str | None = None
    death_signal: signal.Signals = signal.SIGTERM
    keeps_stdin: bool = False

    @property
    def log_path(self) -> Path:
        """Where everything the service prints goes."""
        return self.folder / "server.log"


class ServiceProcess:
    """One running child. Bound to no event loop; start it from a thread that outlives it."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the child is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How the child ended; None while it runs or before it was started."""
        return None if self._process is None else self._process.poll()

    async def ended(self) -> None:
        """Return when the child no longer runs."""
        await self._ended_within(None)

    async def start(self, ready: Callable[[], Awaitable[bool]], deadline_s: float) -> None:
        """Start it and wait for `ready`; StartError after `deadline_s`, with the log's tail."""
        assert not self.running, f"{self._command.name} already runs"
        self._process = self._spawn()
        deadline = time.monotonic() + LOCK_WAIT_S + deadline_s
        try:
            while not await ready():
                if not self.running:
                    raise self._failure(f"ended with code {self._process.returncode}")
                if time.monotonic() > deadline:
                    raise self._failure(f"was not ready within {deadline_s:.0f} s")
                await asyncio.sleep(POLL_S)
            if not self.running:
                raise self._failure(f"ended with code {self._process.returncode}")
        except BaseException:
            await asyncio.shield(self.kill())
            raise

    async def run(self, deadline_s: float) -> None:
        """Run a program that ends by itself; StartError unless it succeeds within the deadline."""
        self._process = self._spawn()
        try:
            if not await self._ended_within(LOCK_WAIT_S + deadline_s):
                raise self._failure(f"did not finish within {deadline_s:.0f} s")
        finally:
            await self.stop(signal.SIGTERM, patience_s=5.0)
        if self._process.returncode != 0:
            raise self._failure(f"ended with code {self._process.returncode}")

    async def stop(self, with_signal: signal.Signals, patience_s: float) -> None:
        """Ask it to end and wait; after `patience_s` it is killed. No-op when it does not run."""
        if self._process is None:
            return
        self._signal(with_signal)
        if not await self._ended_within(patience_s):
            await self.kill()
        self._close_stdin()

    async def kill(self) -> None:
        """SIGKILL the child and every process left in its group."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        await self._ended_within(None)
        self._close_stdin()

    def write_line(self, line: str) -> None:
        """Send one line to the child's standard input (only with `keeps_stdin`)."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = self._command
        command.folder.mkdir(parents=True, exist_ok=True)
        with command.log_path.open("ab") as log:
            return subprocess.Popen(
                [*launcher_arguments(command), *command.arguments],
                stdin=subprocess.PIPE if command.keeps_stdin else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={**os.environ, **command.environment},
                start_new_session=True,
            )

    def _signal(self, number: signal.Signals) -> None:
        # Never after it ended: its id may belong to somebody else by then.
        if self._process is None or not self.running:
            return
        if number is signal.SIGKILL:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)

    async def _ended_within(self, limit_s: float | None) -> bool:
        deadline = None if limit_s is None else time.monotonic() + limit_s
        while self.running:
            if deadline is not None and time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    def _close_stdin(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def _failure(self, what: str) -> StartError:
        log = self._command.log_path
        lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        tail = "\n".join(f"  {line}" for line in lines) or "  (empty)"
        return StartError(f"{self._command.name} {what}. The end of {log}:\n{tail}")


def launcher_arguments(command: Command) -> list[str]:
    """The launcher's own argument list, up to and including the `--`."""
    account = [] if command.account is None else ["--account", command.account]
    return [
        *(sys.executable, "-I", "-S", str(LAUNCHER)),
        *("--parent", str(os.getpid())),
        *("--death-signal", str(int(command.death_signal))),
        *("--lock", str(command.folder / "server.lock")),
        *("--lock-wait-s", str(LOCK_WAIT_S)),
        *account,
        "--",
    ]


def free_port() -> int:
    """A TCP port free on loopback right now, outside the ephemeral range.

    Never the same one twice in this process: who asked first may not listen yet, or not just now.
    """
    for _ in range(200):
        port = PORTS[secrets.randbelow(len(PORTS))]
        if port in _given:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port
    raise StartError("found no free TCP port on 127.0.0.1")


async def port_answers(port: int) -> bool:
    """Whether something accepts TCP connections on this loopback port."""
    try:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True

"""The client of `query`, a process of its own: GETs written beforehand, at their times.

Reads a job as JSON from standard input and prints what it measured as JSON.
"""

import asyncio
import itertools
import sys
import time
from collections import deque

import msgspec

CONNECTIONS = 16
TICK_S = 0.001
_END = b"\r\n\r\n"


class Job(msgspec.Struct):
    """Whom to ask what: `requests` are whole HTTP requests, sent in turn to `ports` in turn.

    First as fast as answers come, for `seconds`; then `per_s` a second, for `seconds`.
    """

    ports: list[int]
    requests: list[str]
    seconds: float
    per_s: float


class Answers(msgspec.Struct):
    """Requests a second when flooded; seconds from due to answered when paced, sorted."""

    per_s: float = 0.0
    latencies_s: list[float] = []
    answered: int = 0
    refused: int = 0
    """Answers other than 200."""


class _Asker(asyncio.Protocol):
    """One connection, one request at a time; tells `crowd` of each answer."""

    def __init__(self, crowd: "Crowd") -> None:
        self._crowd = crowd
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._due_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._crowd.lost(error)

    def ask(self, request: bytes, due_s: float) -> None:
        """Send a request that was due then."""
        assert self._transport is not None
        self._due_s = due_s
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(_END)
        if found and len(body) >= _length(head):
            self._buffer = b""
            self._crowd.answered(self, self._due_s, good=head.startswith(b"HTTP/1.1 200"))


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.index(b"content-length:") + len(b"content-length:")
    return int(lower[at : lower.find(b"\r\n", at) if b"\r\n" in lower[at:] else None])


class Crowd:
    """All connections. Requests that are due and find none free wait, and their wait counts."""

    def __init__(self, job: Job) -> None:
        self._requests = itertools.cycle([each.encode() for each in job.requests])
        self._free: deque[_Asker] = deque()
        self._due: deque[float] = deque()
        self._flooding_until_s = 0.0
        self._job = job
        self._asked = 0
        self._idle = asyncio.Event()
        self._failed: str | None = None
        self.found = Answers()

    async def run(self) -> Answers:
        """Connect, flood, pace; what came of it."""
        loop = asyncio.get_running_loop()
        for port, _ in zip(itertools.cycle(self._job.ports), range(CONNECTIONS), strict=False):
            _, asker = await loop.create_connection(lambda: _Asker(self), "127.0.0.1", port)
            self._free.append(asker)
        await self._flood()
        await self._pace()
        return self.found

    def answered(self, asker: _Asker, due_s: float, *, good: bool) -> None:
        """An answer is complete."""
        now_s = time.monotonic()
        self.found.answered += 1
        self.found.refused += not good
        if now_s < self._flooding_until_s:
            self._ask(asker, now_s)
            return
        if not self._flooding_until_s:
            self.found.latencies_s.append(now_s - due_s)
        if self._due:
            self._ask(asker, self._due.popleft())
            return
        self._free.append(asker)
        self._idle.set()

    def lost(self, error: Exception | None) -> None:
        """The worker hung up, which it never should."""
        self._failed = f"a connection was lost: {error!r}"
        self._idle.set()

    def _ask(self, asker: _Asker, due_s: float) -> None:
        self._asked += 1
        asker.ask(next(self._requests), due_s)

    async def _flood(self) -> None:
        started = time.monotonic()
        self._flooding_until_s = started + self._job.seconds
        while self._free:
            self._ask(self._free.popleft(), started)
        await self._all_free()
        self.found.per_s = self.found.answered / (time.monotonic() - started)
        self._flooding_until_s = 0.0

    async def _pace(self) -> None:
        started, asked = time.monotonic(), 0
        total = int(self._job.seconds * self._job.per_s)
        while asked < total:
            while asked < min(total, (time.monotonic() - started) * self._job.per_s):
                due_s = started + asked / self._job.per_s
                asked += 1
                if self._free:
                    self._ask(self._free.popleft(), due_s)
                else:
                    self._due.append(due_s)
            await asyncio.sleep(TICK_S)
        await self._all_free()
        self.found.latencies_s.sort()

    async def _all_free(self) -> None:
        while len(self._free) < CONNECTIONS or self._due:
            self._idle.clear()
            if self._failed:
                raise ConnectionError(self._failed)
            async with asyncio.timeout(60):
                await self._idle.wait()


async def _main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(await Crowd(job).run()))


if __name__ == "__main__":
    asyncio.run(_main())

"""Publishing to and listening on JetStream with bytes made beforehand: the load, not the product.

A client library would spend more on a message than the worker that is being measured. Two
connections: one publishes and counts acknowledgements, one notes when each outbound event came.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import msgspec
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from agents.roles.jetstream import OUTBOUND
from compose.bench.report import BenchFailed
from tests.model.generator import Message

WINDOW = 4_000
CHUNK = 200
TICK_S = 0.002
ACKED, REFUSED = re.compile(rb'"seq":'), re.compile(rb'"error":|-ERR')
EVENT_ID = re.compile(rb"Nats-Msg-Id: ?([0-9a-f-]{36})")
LONGEST_MATCH = 64
CONNECT = {"verbose": False, "pedantic": False, "headers": True, "lang": "bench", "version": "1"}
_ACKS = "_INBOX.bench.acks"


class _Connection(asyncio.Protocol):
    """One connection: answers pings, gives all bytes to `came`; `gone` is done when it closes."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._room = asyncio.Event()
        self._room.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"CONNECT " + msgspec.json.encode(CONNECT) + b"\r\n")

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(None)

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"PING\r\n"):
            self.write(b"PONG\r\n")
        self.came(data)

    def came(self, data: bytes) -> None:
        """Look at what came."""

    def write(self, data: bytes) -> None:
        """Send bytes."""
        assert self.transport is not None
        if self.gone.done():
            raise BenchFailed("NATS closed the connection of the load")
        self.transport.write(data)

    async def room(self) -> None:
        """Return when the socket takes more."""
        await self._room.wait()

    def close(self) -> None:
        """Hang up."""
        assert self.transport is not None
        self.transport.close()


class Publisher(_Connection):
    """Publishes messages in order; JetStream's acknowledgements are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.acked = self.sent = 0
        self._rest = b""
        self._progress = asyncio.Event()

    def came(self, data: bytes) -> None:
        """Count the acknowledgements."""
        text = self._rest + data
        if REFUSED.search(text):
            raise BenchFailed(f"NATS refused: {text[:200]!r}")
        end = 0
        for found in ACKED.finditer(text):
            self.acked, end = self.acked + 1, found.end()
        self._rest = text[end:][-LONGEST_MATCH:]
        self._progress.set()

    async def flood(self, frames: Sequence[bytes]) -> None:
        """Publish as fast as acknowledgements come; return when all are acknowledged."""
        for start in range(0, len(frames), CHUNK):
            await self._until_acked(self.sent - WINDOW)
            some = frames[start : start + CHUNK]
            self.write(b"".join(some))
            self.sent += len(some)
            await self.room()
        await self._until_acked(self.sent)

    async def pace(self, frames: Sequence[bytes], events_per_s: float) -> float:
        """Publish each at its time, whatever becomes of those before; when the first was due.

        The n-th is due n / `events_per_s` later, in seconds of the monotonic clock.
        """
        started = time.monotonic()
        sent = 0
        while sent < len(frames):
            due = min(len(frames), int((time.monotonic() - started) * events_per_s) + 1)
            if due > sent:
                self.write(b"".join(frames[sent:due]))
                self.sent += due - sent
                sent = due
            await asyncio.sleep(TICK_S)
        await self._until_acked(self.sent)
        return started

    async def _until_acked(self, count: int) -> None:
        while self.acked < count:
            self._progress.clear()
            async with asyncio.timeout(60):
                await self._progress.wait()


class Listener(_Connection):
    """When each outbound event came first, in seconds of the monotonic clock, by its id."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[bytes, float] = {}
        self.last_s = 0.0
        self._rest = b""

    def came(self, data: bytes) -> None:
        """Note the ids."""
        now_s, end = time.monotonic(), 0
        text = self._rest + data
        for found in EVENT_ID.finditer(text):
            end = found.end()
            if found[1] not in self.first:
                self.first[found[1]] = self.last_s = now_s
        self._rest = text[end:][-LONGEST_MATCH:]


@dataclass(frozen=True)
class Wire:
    """The load's two connections; use as `async with await Wire.open(...)`."""

    publisher: Publisher
    listener: Listener

    @classmethod
    async def open(cls, url: str, jetstream: JetStreamContext) -> Self:
        """Connect, and have the outbound stream delivered from now on."""
        host, _, port = url.removeprefix("nats://").partition(":")
        loop = asyncio.get_running_loop()
        _, publisher = await loop.create_connection(Publisher, host, int(port))
        _, listener = await loop.create_connection(Listener, host, int(port))
        publisher.write(f"SUB {_ACKS} 1\r\n".encode())
        inbox = "_INBOX.bench.events"
        listener.write(f"SUB {inbox} 1\r\nPING\r\n".encode())
        config = ConsumerConfig(
            deliver_subject=inbox, ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.NEW
        )
        await jetstream.add_consumer(OUTBOUND, config)
        return cls(publisher, listener)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.publisher.close()
        self.listener.close()


def frames(messages: Sequence[Message]) -> list[bytes]:
    """Each message as the bytes that publish it."""
    return [
        b"PUB %s %s %d\r\n%s\r\n" % (each.subject.encode(), _ACKS.encode(), len(each.raw), each.raw)
        for each in messages
    ]

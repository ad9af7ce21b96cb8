"""A broker in memory and the links to it: packets that are late, lost, or arrive after death.

A link keeps its order, as a connection does. What it carries when its process dies may arrive or
not; what it carries while its process hangs arrives when that wakes.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Self

from aiokafka.errors import KafkaError

from streams.kafka import Record

QUICK_S, SLOW_S, SLOW_SHARE = 0.01, 2.0, 0.02
LOST_ACKS, REFUSED = 0.002, 0.002
AT_ONCE = 7
BATCH_ROWS = 5


@dataclass
class Log:
    """One partition of one topic."""

    records: list[Record] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def end(self) -> int:
        return len(self.records)


class Broker:
    """Topics by name; `on_append` sees every record at the moment it is there."""

    def __init__(self, clock: Any, on_append: Callable[[str, Record], None]) -> None:
        self._clock, self._on_append = clock, on_append
        self._logs: dict[str, Log] = {}
        self.carriers: set[asyncio.Task[None]] = set()

    def log(self, topic: str) -> Log:
        return self._logs.setdefault(topic, Log())

    def append(self, topic: str, key: bytes | None, value: bytes, headers: Any = ()) -> int:
        """Append a record; returns its offset."""
        log, now_ms = self.log(topic), self._clock.time_ns() // 1_000_000
        record = Record(log.end, now_ms, headers, value, key)
        log.records.append(record)
        log.grown.set()
        log.grown = asyncio.Event()
        self._on_append(topic, record)
        return record.offset

    def recreate(self, topic: str) -> None:
        """The topic is there, and everything in it is gone."""
        self.log(topic).records.clear()


Packet = Callable[[], int]


class Link:
    """One process's connection to the broker; also its producer, as far as we use one."""

    def __init__(self, broker: Broker, dice: random.Random, *, reliable: bool = False) -> None:
        self.broker, self._dice, self._reliable = broker, dice, reliable
        self._flows = asyncio.Event()
        self._flows.set()
        self._packets: asyncio.Queue[tuple[Packet, asyncio.Future[Any]]] = asyncio.Queue()
        self._last_breath: int | None = None
        broker.carriers.add(asyncio.create_task(self._carry()))  # it outlives its process

    # -- its state ----------------------------------------------------------------------------

    def hang(self) -> None:
        """Carry nothing until `wake`."""
        self._flows.clear()

    def wake(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        """The process is dead; some of what it had sent still arrives."""
        self._last_breath = self._dice.randint(0, self._packets.qsize() + 1)
        self._flows.set()

    @property
    def dead(self) -> bool:
        return self._last_breath is not None

    async def passes(self) -> None:
        """Wait as an answer from the broker does."""
        await asyncio.sleep(self._delay())
        while not self._flows.is_set():
            await self._flows.wait()

    def _delay(self) -> float:
        slow = self._dice.random() < SLOW_SHARE
        return self._dice.uniform(0, SLOW_S if slow else QUICK_S)

    # -- producer -----------------------------------------------------------------------------

    async def send(
        self, topic: str, value: bytes, *, partition: int, headers: Any = ()
    ) -> "asyncio.Future[Any]":
        assert partition == 0
        return self._put(lambda: self.broker.append(topic, None, value, headers))

    def create_batch(self) -> "RowBatch":
        return RowBatch()

    async def send_batch(
        self, batch: "RowBatch", topic: str, *, partition: int
    ) -> "asyncio.Future[Any]":
        assert partition == 0
        rows = batch.rows

        def arrive() -> int:
            offsets = [self.broker.append(topic, key, value) for key, value in rows]
            return offsets[0]

        return self._put(arrive)

    def _put(self, packet: Packet) -> "asyncio.Future[Any]":
        acked: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self.dead:
            self._packets.put_nowait((packet, acked))
        return acked

    async def _carry(self) -> None:
        while True:
            packet, acked = await self._packets.get()
            await self.passes()
            if self._last_breath is not None:
                self._last_breath -= 1
                if self._last_breath < 0:
                    return
            if self._happens(REFUSED):
                self._answer(acked, None)
                continue
            offset = packet()
            if not self._happens(LOST_ACKS):
                self._answer(acked, offset)

    def _happens(self, share: float) -> bool:
        return not self._reliable and self._dice.random() < share

    def _answer(self, acked: "asyncio.Future[Any]", offset: int | None) -> None:
        asyncio.get_running_loop().call_later(self._delay(), self._arrives, acked, offset)

    def _arrives(self, acked: "asyncio.Future[Any]", offset: int | None) -> None:
        if not self._flows.is_set():
            asyncio.get_running_loop().call_later(0.1, self._arrives, acked, offset)
        elif acked.done():
            return
        elif offset is None:
            acked.set_exception(KafkaError("refused"))
            acked.exception()  # looked at, even if its process is dead
        else:
            acked.set_result(SimpleNamespace(offset=offset))


class RowBatch:
    """Some rows of a checkpoint."""

    def __init__(self) -> None:
        self.rows: list[tuple[bytes, bytes]] = []

    def append(self, *, key: bytes, value: bytes, timestamp: int | None) -> object | None:
        if len(self.rows) == BATCH_ROWS:
            return None
        self.rows.append((key, value))
        return self


class Reader:
    """What `PartitionReader` is to Kafka; its bootstrap address is the link."""

    def __init__(self, link: Link, topic: str, partition: int) -> None:
        assert partition == 0
        self._link, self._topic = link, topic

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    @property
    def _log(self) -> Log:
        return self._link.broker.log(self._topic)

    async def bounds(self) -> tuple[int, int]:
        await self._link.passes()
        return 0, self._log.end

    async def read_one(self, offset: int) -> Record | None:
        await self._link.passes()
        return self._log.records[offset] if 0 <= offset < self._log.end else None

    async def read_range(self, start: int, end: int) -> AsyncIterator[Sequence[Record]]:
        while start < end:
            await self._link.passes()
            records = self._log.records[start : min(end, start + AT_ONCE)]
            start += len(records)
            yield records

    async def follow(self, offset: int) -> AsyncIterator[Record]:
        """One by one, for ever."""
        while True:
            while offset >= self._log.end:
                await self._log.grown.wait()
            await self._link.passes()
            yield self._log.records[offset]
            offset += 1

"""The two ways we touch Kafka outside Faust: an idempotent producer, and a reader of one partition.

The reader belongs to no group and never jumps: an offset that is not there is an error.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from streams.errors import LogBetrayed, Unavailable

POLL_OFTEN_MS = 20
BATCH_BYTES = 900_000  # rows of a checkpoint go out in batches of this size
FETCH_BYTES = 17 * 1024 * 1024  # a record of the journal is at most 16 MB and comes whole
SILENT_S = 30.0
_fetch_wait_ms = 500


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a log; `timestamp_ms` is LogAppendTime where the topic says so."""

    offset: int
    timestamp_ms: int
    headers: Sequence[tuple[str, bytes]]
    value: bytes
    key: bytes | None


def poll_often() -> None:
    """For a broker that answers a waiting fetch only when its time is over (the embedded one)."""
    global _fetch_wait_ms
    _fetch_wait_ms = POLL_OFTEN_MS


async def open_producer(bootstrap: str, *, max_bytes: int = FETCH_BYTES) -> AIOKafkaProducer:
    """A started idempotent producer (acks=all); the caller bounds how long it waits for an ack."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        max_request_size=max_bytes,
        max_batch_size=BATCH_BYTES,
        request_timeout_ms=20_000,
        linger_ms=0,
    )
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise
    return producer


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer, whatever it is doing.

    While one of its fetches waits to be repeated, its own `stop` ends half-way, with that fetch's
    cancellation raised as if it were ours.
    """
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        await consumer._client.close()  # noqa: SLF001  what was left to do
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise


class PartitionReader:
    """Reads one partition from any offset, in order, without a group."""

    def __init__(self, bootstrap: str, topic: str, partition: int) -> None:
        self._tp = TopicPartition(topic, partition)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_bytes=4 * FETCH_BYTES,
            max_poll_records=None,
            fetch_max_wait_ms=_fetch_wait_ms,
            request_timeout_ms=20_000,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
        except BaseException:
            await stop_consumer(self._consumer)
            raise
        self._consumer.assign([self._tp])
        # Its background task must have begun, or `stop` raises that task's cancellation at us.
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_consumer(self._consumer)

    async def bounds(self) -> tuple[int, int]:
        """(first offset that is there, offset the next record will get)."""
        first = await self._consumer.beginning_offsets([self._tp])
        end = await self._consumer.end_offsets([self._tp])
        return first[self._tp], end[self._tp]

    async def follow(
        self, offset: int, *, poll_ms: int = 1_000, silent_s: float = SILENT_S
    ) -> AsyncIterator[list[Record]]:
        """Records from `offset` on, for ever; an empty list when none came for `poll_ms`.

        Raises `Unavailable` when none comes for `silent_s` although the log has some: a client can
        stop fetching without a word, and a new reader is the cure.
        """
        self._consumer.seek(self._tp, offset)
        heard_s, known_end = time.monotonic(), offset
        while True:
            records = await self._poll(poll_ms)
            if records:
                heard_s, known_end = time.monotonic(), offset
            elif time.monotonic() - heard_s > silent_s:
                if await self._consumer.position(self._tp) < known_end:
                    raise Unavailable(f"{self._tp.topic}[{self._tp.partition}] is not being read")
                known_end = (await self._consumer.end_offsets([self._tp]))[self._tp]
                heard_s = time.monotonic()
            yield records

    async def read_range(self, start: int, end: int) -> AsyncIterator[list[Record]]:
        """The records with start ≤ offset < end; `end` comes from `bounds`.

        Raises `LogBetrayed` when the log no longer holds `start`.
        """
        if start >= end:
            return
        self._consumer.seek(self._tp, start)
        position = start
        while position < end:
            records = await self._poll(1_000)
            wanted = [record for record in records if record.offset < end]
            if records:
                position = records[-1].offset + 1
            else:
                # Compaction can leave no record before `end`: the position tells.
                position = max(position, await self._consumer.position(self._tp))
            if wanted:
                yield wanted

    async def read_one(self, offset: int, timeout_s: float = 20) -> Record | None:
        """The record at exactly `offset`; None when the log does not hold it."""
        first, end = await self.bounds()
        if not first <= offset < end:
            return None
        async with asyncio.timeout(timeout_s):
            async for records in self.read_range(offset, offset + 1):
                return records[0]
        return None

    async def _poll(self, poll_ms: int) -> list[Record]:
        try:
            found = await self._consumer.getmany(self._tp, timeout_ms=poll_ms)
        except OffsetOutOfRangeError as error:
            raise LogBetrayed(
                f"{self._tp.topic}[{self._tp.partition}] no longer holds the offset asked for"
            ) from error
        return [_record(message) for message in found.get(self._tp, ())]


def _record(message: Any) -> Record:
    return Record(
        message.offset, message.timestamp, message.headers, message.value or b"", message.key
    )

"""Checkpoints: the images of acknowledged records go to the changelog, then to RocksDB.

Order, which is what makes a crash at any point harmless: rows to the changelog, their acks at
consecutive offsets, one RocksDB batch of rows and offset, the checkpoint row last.
"""

import asyncio
from collections.abc import AsyncIterable, Mapping

import msgspec
from aiokafka import AIOKafkaProducer

from streams.codec import Codec
from streams.errors import Fenced, OutcomeUnknown
from streams.journal import Chain, Position
from streams.signals import crash_here
from tables.store import CHECKPOINT_KEY, PartitionStore, stored_value

ACK_TIMEOUT_S = 20.0
ROWS_AT_ONCE = 5_000


class Checkpoint(msgspec.Struct, array_like=True, frozen=True):
    """Where the stored rows stand: all images up to `seq`, the record at `journal_offset`."""

    seq: int
    journal_offset: int
    record_hash: bytes
    claim_id: bytes
    rules_version: int
    next: Position
    inbound_hash: bytes
    now_ms: int
    digest: bytes


CODEC: Codec[Checkpoint] = Codec(Checkpoint)


def checkpoint_of(chain: Chain, journal_offset: int) -> Checkpoint:
    """The checkpoint of rows that stand where `chain` does, its record at `journal_offset`."""
    return Checkpoint(
        chain.seq,
        journal_offset,
        chain.record_hash,
        chain.claim_id,
        chain.rules_version,
        chain.next,
        chain.inbound_hash,
        chain.now_ms,
        chain.digest,
    )


class ChangelogWriter:
    """Appends rows of one partition to the changelog and sees that nobody else does."""

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, partition: int, next_offset: int
    ) -> None:
        self._producer = producer
        self._topic, self._partition = topic, partition
        self.next_offset = next_offset

    async def append(self, rows: Mapping[bytes, bytes], *, crash_seam: str = "") -> int:
        """Append all rows and wait for their acks; the offset of the last one.

        Raises `Fenced` when the offsets are not consecutive (another writer), `OutcomeUnknown`
        when an ack does not come.
        """
        futures = []
        builder, count = self._producer.create_batch(), 0
        for key, value in rows.items():
            if builder.append(key=key, value=value, timestamp=None) is None:
                futures.append((count, await self._send(builder)))
                builder, count = self._producer.create_batch(), 0
                builder.append(key=key, value=value, timestamp=None)
            count += 1
        if count:
            futures.append((count, await self._send(builder)))
        crash_here(crash_seam)
        for count, future in futures:
            await self._acknowledged(future, count)
        return self.next_offset - 1

    async def append_all(self, rows: AsyncIterable[tuple[bytes, bytes]]) -> int:
        """As `append`, any number of rows, some thousands at a time; returns how many."""
        some: dict[bytes, bytes] = {}
        count = 0
        async for key, value in rows:
            some[key] = value
            count += 1
            if len(some) == ROWS_AT_ONCE:
                await self.append(some)
                some = {}
        await self.append(some)
        return count

    async def _send(self, builder: object) -> "asyncio.Future[object]":
        future: asyncio.Future[object] = await self._producer.send_batch(
            builder, self._topic, partition=self._partition
        )
        return future

    async def _acknowledged(self, future: "asyncio.Future[object]", count: int) -> None:
        try:
            metadata = await asyncio.wait_for(asyncio.shield(future), ACK_TIMEOUT_S)
        except Exception as error:
            raise OutcomeUnknown(f"no ack from {self._topic}[{self._partition}]") from error
        if metadata.offset != self.next_offset:  # type: ignore[attr-defined]
            raise Fenced(f"{self._topic}[{self._partition}] has another writer")
        self.next_offset += count


async def write_checkpoint(
    store: PartitionStore,
    changelog: ChangelogWriter,
    images: Mapping[bytes, tuple[int, bytes | None]],
    checkpoint: Checkpoint,
) -> None:
    """Store images (key to seq and bytes) and then the checkpoint row that vouches for them."""
    rows = {key: stored_value(seq, value) for key, (seq, value) in images.items()}
    if rows:
        offset = await changelog.append(rows, crash_seam="S8")
        crash_here("S9")
        store.write(rows, offset)
        crash_here("S10")
    row = {CHECKPOINT_KEY: stored_value(checkpoint.seq, CODEC.encode(checkpoint))}
    store.write(row, await changelog.append(row))

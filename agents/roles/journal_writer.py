"""Owning a partition's journal: the claim, and the append whose ack at its place is the commit."""

import asyncio
import uuid

from aiokafka import AIOKafkaProducer

from streams.errors import Fenced, OutcomeUnknown
from streams.journal import CODEC, Batch, Chain, Claim
from streams.kafka import PartitionReader
from streams.signals import crash_here

ACK_TIMEOUT_S = 15.0


class JournalWriter:
    """Appends to one partition of the journal; `end` is the offset the next record must get."""

    def __init__(
        self, producer: AIOKafkaProducer, bootstrap: str, topic: str, partition: int
    ) -> None:
        self._producer, self._bootstrap = producer, bootstrap
        self._topic, self._partition = topic, partition
        self.claim_id = b""
        self.end = -1

    async def claim(self, owner: str, generation: int) -> bool:
        """Take the partition. True when nobody wrote since our own last append."""
        claim_id = uuid.uuid4().bytes
        offset = await self._append(CODEC.encode(Claim(claim_id, owner, generation)))
        crash_here("S4")
        undisturbed = offset == self.end
        self.claim_id, self.end = claim_id, offset + 1
        return undisturbed

    async def commit(self, data: bytes, chain: Chain) -> int:
        """Append a batch; returns its offset once it counts, `chain` being the state before it.

        Raises `Fenced` when it does not count and `OutcomeUnknown` when nobody can tell yet.
        """
        offset = await self._append(data, crash_seam="S6")
        if offset != self.end:
            await self._judge_gap(offset, chain)
        self.end = offset + 1
        return offset

    async def _append(self, data: bytes, *, crash_seam: str = "") -> int:
        try:
            async with asyncio.timeout(ACK_TIMEOUT_S):
                future = await self._producer.send(self._topic, data, partition=self._partition)
                crash_here(crash_seam)
                metadata = await asyncio.shield(future)
        except Exception as error:
            raise OutcomeUnknown(f"{self._topic}[{self._partition}]: no ack") from error
        if metadata.offset < 0:
            raise OutcomeUnknown(f"{self._topic}[{self._partition}]: ack without an offset")
        return int(metadata.offset)

    async def _judge_gap(self, offset: int, chain: Chain) -> None:
        """Someone wrote before us: harmless if nothing of it counts, else we own nothing."""
        if offset < self.end:
            raise Fenced(f"{self._topic}[{self._partition}] is another log than before")
        async with PartitionReader(self._bootstrap, self._topic, self._partition) as reader:
            async for records in reader.read_range(self.end, offset):
                for record in records:
                    found = CODEC.decode(record.value)
                    if not isinstance(found, Batch) or found.claim_id == chain.claim_id:
                        raise Fenced(f"{self._topic}[{self._partition}] has a newer owner")

"""A partition's writer over a dictionary, with its journal and archive in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import agents.services  # noqa: F401  fills the registry
from agents.audit.invariants import Violation
from agents.roles.answers import Answers
from agents.roles.mailbox import Mail
from agents.roles.verify import Difference, Replay
from agents.roles.writer import Limits, PartitionWriter
from streams.inbound import Signer, Stamp, pack
from streams.journal import CODEC, NO_HASH, Batch, Chain, Claim, Entry, Genesis, Position
from tables.recovery import Recovered
from tables.seen import Seen
from tables.working_set import WorkingSet
from tests.agents.core import NOW_MS, DictStore, envelope

SIGNER = Signer(b"writer test key, thirty-two bytes")
WITHIN_S = 30


class Ended(Exception):
    """The process would have ended here."""


class Kept:
    """A journal that takes every append; `free` is cleared to keep acknowledgements back."""

    def __init__(self) -> None:
        genesis = Genesis(
            b"g" * 16, 1, 0, 1, 0, Position(1, 0), NO_HASH, NO_HASH, 1, NOW_MS, bytes(16)
        )
        self.claim_id = b"c" * 16
        self.records = [CODEC.encode(genesis)]
        self.free = asyncio.Event()
        self.free.set()

    async def commit(self, data: bytes, _chain: Chain) -> int:
        await self.free.wait()
        self.records.append(data)
        return len(self.records)

    @property
    def batches(self) -> list[Batch]:
        return [found for found in map(CODEC.decode, self.records) if isinstance(found, Batch)]

    @property
    def entries(self) -> list[Entry]:
        return [entry for batch in self.batches for entry in batch.entries]

    def replayed(self) -> Difference | Violation | None:
        """The first thing that a replay of all records finds."""
        replay = Replay(0, 1)
        for data in self.records:
            difference = replay.take(data)
            if difference is not None:
                return difference
        return next(iter(replay.finish().findings.violations), None)


class _Archived:
    def get(self, _partition: int) -> tuple[int, Position]:
        return 0, Position(9, 0)


class Writing:
    """A running writer; `ended` is what would have ended the process."""

    def __init__(self, limits: Limits, inbound: tuple[str, str]) -> None:
        self.journal = Kept()
        self.ended: BaseException | None = None
        self.now_ms = NOW_MS
        self._offset = 0
        chain = Chain()
        chain.accept(self.journal.records[0])
        chain.accept(CODEC.encode(Claim(self.journal.claim_id, "me", 1)))
        working = WorkingSet(DictStore())
        self.writer = PartitionWriter(
            Recovered(working, Seen(working.get), chain, 0),
            self.journal,  # type: ignore[arg-type]
            partition=0,
            partitions=1,
            signer=SIGNER,
            answers=Answers(),
            archived=_Archived(),  # type: ignore[arg-type]
            answer_when_archived=False,
            inbound=inbound,
            limits=limits,
            die=self._die,
        )

    def _die(self, error: BaseException) -> NoReturn:
        self.ended = self.ended or error
        raise Ended from error

    async def put(self, value: bytes, *, ingress: str = "nats") -> None:
        """A record of the inbound log; ingress `kafka` leaves it without our stamp."""
        headers = () if ingress == "kafka" else SIGNER.headers(Stamp(ingress), 0, value)
        await self.writer.put(Mail(self._offset, self.now_ms, headers, value, lambda: None))
        self._offset += 1

    async def events(self, *events: tuple[str, str, object], ingress: str = "nats") -> None:
        """One record of these (type, tenant, data)."""
        raws = [
            envelope(kind, tenant, data, event_id=f"e{self._offset}-{n}", timestamp_ms=self.now_ms)
            for n, (kind, tenant, data) in enumerate(events)
        ]
        await self.put(pack(raws), ingress=ingress)

    async def tick(self, pass_ms: int = 0) -> None:
        """Time passes, and the partition is told."""
        self.now_ms += pass_ms
        await self.events(("treasury.clock.ticked", "treasury", {}), ingress="internal")

    async def decided(self) -> None:
        """Until all that was put is committed, or the process would have ended."""
        async with asyncio.timeout(WITHIN_S):
            while self.ended is None and self.writer.committed.next.offset < self._offset:
                await asyncio.sleep(0.001)


@asynccontextmanager
async def writing(
    limits: Limits | None = None, inbound: tuple[str, str] = ("", "")
) -> AsyncIterator[Writing]:
    """A writer that decides until the block ends; it reads gaps back from topic `inbound`."""
    found = Writing(limits or Limits(), inbound)
    found.writer.start()
    task = found.writer._task
    assert task is not None
    try:
        yield found
    finally:
        found.journal.free.set()
        if found.ended is None:
            await found.writer.pause(WITHIN_S)
        else:
            await asyncio.gather(task, return_exceptions=True)

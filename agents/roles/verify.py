"""Replay as proof: the archived raw envelopes are folded again and must give the same records.

Same entries, same images, same digest, byte by byte; the first difference is shown. What the fold
gave is audited besides, by rules that share nothing with it (agents/audit). Reads the archive only
and changes nothing.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import asyncpg
import msgspec
from msgspec import Raw

from agents.audit.invariants import Findings
from agents.audit.journal import Audit
from agents.decide import Arrival, Fold
from agents.judge import RAISED
from agents.registry import RULES_VERSION
from streams.codec import Codec
from streams.errors import JournalBroken
from streams.journal import CODEC, Batch, Claim, Entry, Genesis, Position, hash_of
from tables.postgres.archived import Source, images_in, last_record, records_after, snapshot
from tables.row import Row, decode, encode
from tables.seen import Seen
from tables.working_set import WorkingSet, row_hash

_DIGEST_MASK = (1 << 128) - 1
_RAISED = RAISED.encode()


class MemoryStore:
    """A store below a working set that keeps nothing: a replay has all its rows in memory."""

    def get(self, _key: bytes) -> bytes | None:
        """Nothing is stored."""
        return None

    def scan(self, _prefix: bytes, _start: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Nothing is stored."""
        return iter(())


@dataclass(frozen=True)
class Difference:
    """Where replay and journal part: the record, what kind of thing, and both sides in words."""

    partition: int
    seq: int
    what: str
    journal: str
    replay: str


@dataclass
class Report:
    """What a replay of one partition found; complete once the replay is over."""

    partition: int
    records: int = 0
    events: int = 0
    seq: int = -1
    digest: str = ""
    difference: Difference | None = None
    findings: Findings = field(default_factory=Findings)

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return self.difference is None and not self.findings.violations


class _Told(msgspec.Struct, array_like=True, gc=False):
    """Of an entry what the fold cannot know by itself; the rest of it stays bytes."""

    offset: int
    index: int
    step: int
    status: Raw
    reason: Raw
    ingress: str
    now_ms: int
    tenant_id: Raw
    event_id: Raw
    event_type: Raw
    raw: bytes
    postings: Raw
    emitted: Raw
    calls: Raw
    reply: Raw
    refused: str
    day: str = ""
    booked: str = ""


class _Record(msgspec.Struct, array_like=True, tag="batch"):
    """A batch whose images stay bytes."""

    claim_id: bytes
    seq: int
    first: Position
    next: Position
    previous_hash: bytes
    inbound_hash: bytes
    rules_version: int
    now_ms: int
    entries: list[_Told]
    images: Raw
    digest: bytes


_CODEC: Codec[Genesis | Claim | _Record] = Codec(Genesis | Claim | _Record)


class Replay:
    """Folds the archive of one partition; `fold` then holds the state after the last record."""

    def __init__(self, partition: int, partitions: int) -> None:
        working = WorkingSet(MemoryStore())
        self.fold = Fold(working, Seen(working.get), partition=partition, partitions=partitions)
        self.audit = Audit(partition, partitions)
        self.report = Report(partition, findings=self.audit.findings)

    def take(self, data: bytes) -> Difference | None:
        """Fold and audit one archived record; its difference to what was journaled, if any."""
        found, record_hash = _CODEC.decode(data), hash_of(data)
        if isinstance(found, Claim):
            raise JournalBroken("the archive holds a claim, which is no record of it")
        self.report.records += 1
        self.report.seq, self.report.digest = found.seq, found.digest.hex()
        difference: Difference | None
        if isinstance(found, Genesis):
            self.fold.now_ms = max(self.fold.now_ms, found.now_ms)
            self.audit.take(found, record_hash)
            difference = self._compare_digest(found)
        else:
            ours = self._fold(found)
            difference = None if CODEC.encode(ours) == data else self._difference(ours, data)
            if difference is None:
                self.audit.take(ours, record_hash, self._row)
                self._count(ours)
        if difference is not None and self.report.difference is None:
            self.report.difference = difference
            about = "I9" if difference.what == "entry" else "I8"
            self.audit.breaks(about, f"{difference.what} differs from its replay")
        return difference

    def finish(self) -> Report:
        """What was found, when there are no more records."""
        self.audit.finish()
        return self.report

    # -- folding ------------------------------------------------------------------------------

    def _fold(self, record: _Record) -> Batch:
        """The record as the fold makes it of the same envelopes, in the same place."""
        log, count = record.next.log, 0
        self.fold.begin(record.seq)
        self.fold.raised(_raised(record.entries))
        for told in record.entries:
            if told.step == 0:
                count += 1
                self.fold.decide(
                    Arrival(
                        log,
                        told.offset,
                        told.index,
                        told.ingress,
                        told.now_ms,
                        told.raw,
                        told.refused,
                    )
                )
        entries, images = self.fold.close()
        self.report.events += count
        return Batch(
            record.claim_id,
            record.seq,
            record.first,
            record.next,
            record.previous_hash,
            record.inbound_hash,
            RULES_VERSION,
            self.fold.now_ms,
            entries,
            images,
            self._digest,
        )

    @property
    def _digest(self) -> bytes:
        return self.fold.working.digest.to_bytes(16, "big")

    def _row(self, key: bytes, _value: bytes) -> Row:
        row = self.fold.working.get(key)
        assert row is not None
        return row

    def _count(self, batch: Batch) -> None:
        checked = self.report.findings.checked
        checked["I8"] += len(batch.images)
        checked["I9"] += len(batch.entries)

    # -- comparing ----------------------------------------------------------------------------

    def _difference(self, ours: Batch, data: bytes) -> Difference | None:
        """What makes the bytes differ; None if they only say the same in another way."""
        theirs = CODEC.decode(data)
        assert isinstance(theirs, Batch)
        for own, entry in zip(ours.entries, theirs.entries, strict=False):
            if own != entry:
                return self._differs(ours.seq, "entry", _words(entry), _words(own))
        for own_image, image in zip(ours.images, theirs.images, strict=False):
            if own_image != image:
                return self._differs(ours.seq, "row", repr(image), repr(own_image))
        for what in ("entries", "images"):
            told = len(getattr(theirs, what)), len(getattr(ours, what))
            if told[0] != told[1]:
                return self._differs(ours.seq, f"number of {what}", *map(str, told))
        for what in ("rules_version", "now_ms"):
            if getattr(theirs, what) != getattr(ours, what):
                both = getattr(theirs, what), getattr(ours, what)
                return self._differs(ours.seq, what, *map(str, both))
        return self._compare_digest(theirs)

    def _compare_digest(self, theirs: Genesis | Batch) -> Difference | None:
        if self._digest == theirs.digest:
            return None
        return self._differs(theirs.seq, "digest", theirs.digest.hex(), self._digest.hex())

    def _differs(self, seq: int, what: str, journal: str, replay: str) -> Difference:
        return Difference(self.report.partition, seq, what, journal[:2_000], replay[:2_000])

    async def compare_archive(self, connection: asyncpg.Connection) -> None:
        """I5: the rows the archive keeps are those after the last record. I13: so is its hash."""
        last = await last_record(connection, self.report.partition)
        if last is not None and last.hash != self.audit.record_hash:
            self.audit.breaks("I13", "the archive keeps another hash of its last record")
        count, digest = 0, 0
        async for key, _seq, value in images_in(connection, self.report.partition):
            count += 1
            digest += row_hash(key, value)
        self.report.findings.checked["I5"] += count
        if digest & _DIGEST_MASK != self.fold.working.digest:
            async for words in self._wrong_images(connection):
                self.audit.breaks("I5", words)

    async def _wrong_images(self, connection: asyncpg.Connection) -> AsyncIterator[str]:
        ours = {row.key: row for row in self.fold.working.scan(b"", 1 << 30)}
        async for key, _seq, value in images_in(connection, self.report.partition):
            row = ours.pop(key, None)
            if row is None:
                yield f"the archive keeps a row that is gone: {_name(key)}"
            elif encode(row) != value:
                yield f"the archive keeps {_name(key)} as {decode(key, value)}, it is {row}"
        for key in ours:
            yield f"the archive does not keep the row {_name(key)}"


def _raised(entries: list[_Told]) -> dict[tuple[int, int, int], str]:
    """By place, the errors that handlers raised: of these, what a journal says is believed."""
    found = {}
    for told in entries:
        if _RAISED in bytes(told.reason):
            reason = msgspec.msgpack.decode(told.reason, type=str)
            if reason.startswith(f"{RAISED}: "):
                found[told.offset, told.index, told.step] = reason.removeprefix(f"{RAISED}: ")
    return found


def _words(entry: Entry) -> str:
    return msgspec.json.encode(msgspec.to_builtins(entry)).decode()


def _name(key: bytes) -> str:
    return key.decode().replace("\x00", "/")


async def verify(pool: asyncpg.Pool, partition: int, partitions: int) -> AsyncIterator[Report]:
    """Replay a partition's whole archive; yields the report now and then, and at the end.

    Stops at the first difference. What is archived meanwhile is read as of one moment in the end,
    together with the rows that the archive keeps.
    """
    replay = Replay(partition, partitions)
    source: Source = pool
    async with AsyncExitStack() as stack:
        while True:
            found = await records_after(source, partition, replay.report.seq)
            for _seq, data in found:
                if replay.take(data) is not None:
                    yield replay.finish()
                    return
            if not found and source is not pool:
                break
            if not found:
                source = await stack.enter_async_context(snapshot(pool))
            yield replay.report
        await replay.compare_archive(source)
    yield replay.finish()

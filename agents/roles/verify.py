"""Replay as proof: the archived raw envelopes are folded again and must give the same records.

Same entries, same images, same digest, record by record; the first difference is shown. Reads
the archive only and changes nothing.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import asyncpg
import msgspec

from agents.decide import Arrival, Fold
from streams.errors import JournalBroken
from streams.journal import Batch, Chain, Entry, Genesis
from tables.postgres.archived import records_after
from tables.seen import Seen
from tables.working_set import WorkingSet


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
    """What a replay of one partition found."""

    partition: int
    records: int = 0
    events: int = 0
    seq: int = -1
    digest: str = ""
    difference: Difference | None = None


class Replay:
    """Folds the archive of one partition; `fold` then holds the state after the last record."""

    def __init__(self, partition: int, partitions: int) -> None:
        self.report = Report(partition)
        working = WorkingSet(MemoryStore())
        self.fold = Fold(working, Seen(working.get), partition=partition, partitions=partitions)
        self._chain = Chain()

    def take(self, data: bytes) -> Difference | None:
        """Fold one archived record; the first difference to what was journaled, if any."""
        found = self._chain.after_claim_of(data).accept(data)
        if found is None:
            raise JournalBroken("the archive holds a record that does not count")
        self.report.records += 1
        self.report.seq = self._chain.seq
        difference = self._batch(found) if isinstance(found, Batch) else self._genesis(found)
        self.report.digest = self._chain.digest.hex()
        self.report.difference = self.report.difference or difference
        return difference

    def _genesis(self, found: object) -> Difference | None:
        assert isinstance(found, Genesis)
        self.fold.now_ms = max(self.fold.now_ms, found.now_ms)
        return self._compare_digest(found.seq, found.digest)

    def _batch(self, record: Batch) -> Difference | None:
        self.fold.begin(record.seq)
        for entry in record.entries:
            if entry.step == 0:
                self.report.events += 1
                self.fold.decide(_arrival(record, entry))
        entries, images = self.fold.close()
        for ours, theirs in zip(entries, record.entries, strict=False):
            if ours != theirs:
                return self._differs(record.seq, "entry", _words(theirs), _words(ours))
        if len(entries) != len(record.entries):
            told = str(len(record.entries)), str(len(entries))
            return self._differs(record.seq, "number of entries", *told)
        for image, theirs_image in zip(images, record.images, strict=False):
            if image != theirs_image:
                return self._differs(record.seq, "row", repr(theirs_image), repr(image))
        return self._compare_digest(record.seq, record.digest)

    def _compare_digest(self, seq: int, digest: bytes) -> Difference | None:
        ours = self.fold.working.digest.to_bytes(16, "big")
        return None if ours == digest else self._differs(seq, "digest", digest.hex(), ours.hex())

    def _differs(self, seq: int, what: str, journal: str, replay: str) -> Difference:
        return Difference(self.report.partition, seq, what, journal[:2_000], replay[:2_000])


def _arrival(record: Batch, entry: Entry) -> Arrival:
    return Arrival(
        record.next.log,
        entry.offset,
        entry.index,
        entry.ingress,
        entry.now_ms,
        entry.raw,
        entry.refused,
    )


def _words(entry: Entry) -> str:
    return msgspec.json.encode(msgspec.to_builtins(entry)).decode()


async def verify(pool: asyncpg.Pool, partition: int, partitions: int) -> AsyncIterator[Report]:
    """Replay a partition's whole archive; yields the report now and then, and at the end.

    Stops at the first difference.
    """
    replay = Replay(partition, partitions)
    seq = -1
    while found := await records_after(pool, partition, seq):
        for number, data in found:
            seq = number
            if replay.take(data) is not None:
                yield replay.report
                return
        yield replay.report
    yield replay.report

"""The audit of one partition's journal: record after record, then what must hold at the end.

It keeps the rows there are rules for, the sums of all accounts and a trace of every event; so it
runs beside a replay that has the rows already (`take`), or by itself from bytes (`read`).
"""

from collections.abc import Callable

from agents.audit.entries import Decisions, DerivedIds, Places
from agents.audit.invariants import Findings
from agents.audit.money import Money
from agents.audit.numbers import Numbers
from agents.audit.rows import WATCHED, broken_step
from streams.errors import JournalBroken
from streams.journal import CODEC, NO_HASH, Batch, Claim, Genesis, Image, Position, hash_of
from tables.row import Row, decode
from tables.working_set import row_hash

_MASK = (1 << 128) - 1
RowOf = Callable[[bytes, bytes], Row]


class Audit:
    """Audits the valid records of one partition, in order from the first."""

    def __init__(self, partition: int, partitions: int) -> None:
        self.findings = Findings()
        self.money = Money(self.findings, partition)
        self._partition = partition
        self._numbers = Numbers(self.findings, partition)
        self._places = Places(self.findings, partition)
        self._decisions = Decisions(self.findings, partition, partitions)
        self._ids = DerivedIds(self.findings, partition)
        self._rows: dict[bytes, Row] = {}
        self._digest = _Digest()
        self._seq, self._next = -1, Position(0, 0)
        self.record_hash = NO_HASH
        """Of the record that was audited last."""

    def read(self, data: bytes) -> None:
        """Audit the next record from its bytes alone, its digest included."""
        record = CODEC.decode(data)
        if isinstance(record, Claim):
            raise JournalBroken("a claim has no place among what was decided")
        self.take(record, hash_of(data))
        digest = self._digest.after(record.images if isinstance(record, Batch) else [])
        if digest != record.digest:
            words = f"its rows have the digest {digest.hex()}, it says {record.digest.hex()}"
            self.breaks("I13", words)

    def take(self, record: Genesis | Batch, record_hash: bytes, row_of: RowOf = decode) -> None:
        """Audit the next record; `row_of` gives the row of an image's key and bytes."""
        self._continues(record)
        self._seq, self.record_hash, self._next = record.seq, record_hash, record.next
        if isinstance(record, Genesis):
            return
        self._places.check(record)
        self._decisions.check(record)
        self._ids.check(record)
        self.money.post(record)
        self._images(record.images, row_of)
        self.money.balance()

    def finish(self) -> Findings:
        """All that was found, when there are no more records."""
        self.money.finish()
        return self.findings

    def breaks(self, invariant: str, words: str) -> None:
        """Note a violation in the record that was audited last."""
        self.findings.breaks(invariant, words, self._partition, self._seq)

    def _continues(self, record: Genesis | Batch) -> None:
        """I13, and I10 from record to record."""
        fault = ""
        if isinstance(record, Genesis) and record.partition != self._partition:
            fault = f"begins partition {record.partition}"
        elif record.seq != self._seq + 1:
            fault = f"seq {record.seq} follows {self._seq}"
        elif record.previous_hash != self.record_hash:
            fault = f"seq {record.seq} does not continue the hash of {self._seq}"
        if fault:
            self.findings.breaks("I13", fault, self._partition, record.seq)
        after = self._next
        if isinstance(record, Genesis):
            goes_on = record.next.log > after.log
        else:
            goes_on = record.first == after < record.next and after.log == record.next.log
        if not goes_on:
            place = record.next if isinstance(record, Genesis) else record.first
            words = f"goes on at {place}, the record before it ended at {after}"
            self.findings.breaks("I10", words, self._partition, record.seq)
        self.findings.checked["I13"] += 1

    def _images(self, images: list[Image], row_of: RowOf) -> None:
        rows, count = self._rows, 0
        for image in images:
            key, value = image.key, image.value
            if key[:2] not in WATCHED:
                continue
            count += 1
            before = rows.get(key)
            after = None if value is None else row_of(key, value)
            words = broken_step(before, after)
            if words:
                self.breaks("I12", f"{key.decode().replace(chr(0), '/')}: {words}")
            if after is None:
                rows.pop(key, None)
            else:
                rows[key] = after
            self.money.row(before, after)
            self._numbers.row(before, after)
        self._numbers.check(self._seq)
        self.findings.checked["I12"] += count


class _Digest:
    """The digest of all rows, from images alone."""

    def __init__(self) -> None:
        self._hashes: dict[bytes, int] = {}
        self._sum = 0

    def after(self, images: list[Image]) -> bytes:
        """The digest once these images are written."""
        for image in images:
            new = 0 if image.value is None else row_hash(image.key, image.value)
            self._sum = (self._sum - self._hashes.get(image.key, 0) + new) & _MASK
            self._hashes[image.key] = new
        return self._sum.to_bytes(16, "big")

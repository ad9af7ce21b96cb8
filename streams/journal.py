"""The journal: what one writer decided, one atomic record per micro-batch (see README.md).

This file holds the bytes of the records and the one rule of which of them count (`Chain`).
It reads no Kafka and knows no business.
"""

import hashlib
from dataclasses import dataclass, field

import msgspec

from streams.codec import Codec
from streams.errors import JournalBroken

NO_HASH = b"\x00" * 32


class Position(msgspec.Struct, array_like=True, frozen=True, gc=False, order=True):
    """The next envelope to decide: incarnation of the inbound log, offset, index in its record."""

    log: int
    offset: int
    index: int = 0

    @property
    def covered(self) -> int:
        """The offset of the last record decided on, wholly or in part; -1 if there is none."""
        return self.offset if self.index else self.offset - 1


class Posting(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One leg of an entry: debit positive, in minor units of `asset`; dimensions are free words."""

    account: str
    asset: str
    minor: int
    dimensions: dict[str, str] = {}


class Emitted(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An outbound event, its bytes final: whoever publishes it again publishes the same bytes."""

    event_id: str
    event_type: str
    body: bytes


class Call(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A wish to call a gateway; `request` is JSON for the connector, `deadline_ms` is log time.

    With `gateways`, any of them may take it; `gateway` is the one that is preferred.
    """

    call_id: str
    gateway: str
    operation: str
    request: bytes
    deadline_ms: int
    gateways: list[str] = []


class Reply(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The answer to an HTTP command: status code and JSON body, replayed to every retry."""

    status: int
    body: bytes


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What became of one event; its position is (log of the record, offset, index, step).

    `now_ms` is the time decisions used: the greatest `received_at` so far, never an event's own.
    `raw` is the envelope as it came. `status` is one of `STATUSES`. `refused` is the reason a
    door had already given; without it the same bytes could be decided otherwise on replay. Of
    postings, `day` is the tenant-local day they are effective (ISO 8601). `booked` is the day in
    whose period they count, if that is a later one because the books of `day` were closed.
    """

    offset: int
    index: int
    step: int
    status: str
    reason: str
    ingress: str
    now_ms: int
    tenant_id: str
    event_id: str
    event_type: str
    raw: bytes
    postings: list[Posting] = []
    emitted: list[Emitted] = []
    calls: list[Call] = []
    reply: Reply | None = None
    refused: str = ""
    day: str = ""
    booked: str = ""


STATUSES = ("applied", "duplicate", "rejected", "refused", "parked", "misrouted")


class Image(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The full new value of a row; None marks its deletion."""

    key: bytes
    value: bytes | None


class Genesis(msgspec.Struct, array_like=True, frozen=True, gc=False, tag="genesis"):
    """The first record of a journal, or the one that starts a new log (`restore`, `rebase`)."""

    claim_id: bytes
    log: int
    partition: int
    partitions: int
    seq: int
    next: Position
    previous_hash: bytes
    inbound_hash: bytes
    rules_version: int
    now_ms: int
    digest: bytes


class Claim(msgspec.Struct, array_like=True, frozen=True, gc=False, tag="claim"):
    """A writer takes the partition: from here on only records naming `claim_id` count."""

    claim_id: bytes
    owner: str
    generation: int


class Batch(msgspec.Struct, array_like=True, frozen=True, gc=False, tag="batch"):
    """One micro-batch: everything the envelopes in [first, next) changed, or nothing of it."""

    claim_id: bytes
    seq: int
    first: Position
    next: Position
    previous_hash: bytes
    inbound_hash: bytes
    rules_version: int
    now_ms: int
    entries: list[Entry]
    images: list[Image]
    digest: bytes


Record = Genesis | Claim | Batch
CODEC: Codec[Record] = Codec(Record)


def hash_of(data: bytes) -> bytes:
    """SHA-256 of a record's bytes (journal or inbound)."""
    return hashlib.sha256(data).digest()


@dataclass
class Chain:
    """Folds a journal in log order and tells which records count.

    A batch counts under the nearest claim before it; it must then continue seq, position and
    hash exactly. A byte-equal repeat and a batch of an older claim are dropped whole. Anything
    else raises `JournalBroken`: a reader must stop with an alarm, not guess.
    """

    claim_id: bytes = b""
    seq: int = -1
    next: Position = field(default_factory=lambda: Position(0, 0))
    record_hash: bytes = NO_HASH
    inbound_hash: bytes = NO_HASH
    digest: bytes = b"\x00" * 16
    now_ms: int = 0
    rules_version: int = 0

    @classmethod
    def after(cls, data: bytes) -> "Chain":
        """The chain as it stands after this record, which is known to count."""
        record = CODEC.decode(data)
        if isinstance(record, Claim):
            raise JournalBroken("a claim has no place in the chain of what was decided")
        return cls.of(record, hash_of(data))

    @classmethod
    def of(cls, record: Genesis | Batch, record_hash: bytes) -> "Chain":
        """As `after`, of a record whose bytes were decoded and hashed already."""
        chain = cls()
        chain._advance(record, record_hash)
        return chain

    def accept(self, data: bytes) -> Record | None:
        """The record if it counts (claims always do), else None; updates this state."""
        record = CODEC.decode(data)
        if isinstance(record, Claim):
            self.claim_id = record.claim_id
            return record
        record_hash = hash_of(data)
        if record_hash == self.record_hash:
            return None
        if isinstance(record, Batch) and record.claim_id != self.claim_id:
            return None
        self._must_continue(record)
        self._advance(record, record_hash)
        return record

    def _must_continue(self, record: Genesis | Batch) -> None:
        if isinstance(record, Genesis):
            if self.seq < 0:
                return
            if record.log <= self.next.log:
                raise JournalBroken(f"genesis of log {record.log} after log {self.next.log}")
        elif record.first != self.next:
            raise JournalBroken(f"seq {record.seq} starts at {record.first}, not {self.next}")
        if record.seq != self.seq + 1:
            raise JournalBroken(f"seq {record.seq} follows {self.seq}")
        if record.previous_hash != self.record_hash:
            raise JournalBroken(f"seq {record.seq} does not continue the hash of {self.seq}")

    def _advance(self, record: Genesis | Batch, record_hash: bytes) -> None:
        self.claim_id = record.claim_id
        self.seq = record.seq
        self.next = record.next
        self.record_hash = record_hash
        self.inbound_hash = record.inbound_hash
        self.digest = record.digest
        self.now_ms = record.now_ms
        self.rules_version = record.rules_version

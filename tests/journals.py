"""Journals made to order: each call returns the next record's bytes, chained as a writer would."""

import hashlib
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer

from streams.journal import (
    CODEC,
    NO_HASH,
    Batch,
    Claim,
    Emitted,
    Entry,
    Genesis,
    Image,
    Position,
    Posting,
    hash_of,
)

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


def entry(number: int = 0, **changes) -> Entry:
    """An applied event of tenant `alpha`; its ids derive from `number`."""
    members = {
        "offset": number,
        "index": 0,
        "step": 0,
        "status": "applied",
        "reason": "",
        "ingress": "nats",
        "now_ms": NOW_MS + number,
        "tenant_id": "alpha",
        "event_id": f"event-{number}",
        "event_type": "pos.order.completed",
        "raw": b'{"event_id":"event-%d","amount":12.50}' % number,
    }
    return Entry(**{**members, **changes})


def two_postings(minor: int = 1250, asset: str = "KES") -> list[Posting]:
    """A debit and the credit that balances it."""
    return [
        Posting("cash", asset, minor, {"outlet": "o1"}),
        Posting("revenue", asset, -minor),
    ]


def emitted(number: int = 0, event_type: str = "treasury.payment.success") -> Emitted:
    """An outbound event of `entry(number)`."""
    body = b'{"event_id":"out-%d","event_type":"%s"}' % (number, event_type.encode())
    return Emitted(f"out-{number}", event_type, body)


@dataclass
class Journal:
    """A writer of one partition that decides nothing; `claim_id` is its latest claim."""

    partition: int = 0
    partitions: int = 1
    claim_id: bytes = b"genesis"
    seq: int = -1
    next: Position = field(default_factory=lambda: Position(1, 0))
    previous_hash: bytes = NO_HASH

    def genesis(self) -> bytes:
        """The first record, or (after others) the one that starts the next log."""
        if self.seq >= 0:
            self.next = Position(self.next.log + 1, 0)
        self.seq += 1
        data = CODEC.encode(
            Genesis(
                self.claim_id,
                self.next.log,
                self.partition,
                self.partitions,
                self.seq,
                self.next,
                self.previous_hash,
                NO_HASH,
                1,
                NOW_MS,
                bytes(16),
            )
        )
        self.previous_hash = hash_of(data)
        return data

    def claim(self, name: str) -> bytes:
        """A claim; the batches that follow are under it."""
        self.claim_id = hashlib.sha256(name.encode()).digest()[:16]
        return CODEC.encode(Claim(self.claim_id, name, self.seq))

    def batch(
        self,
        entries: list[Entry],
        images: dict[bytes, bytes | None] | None = None,
        *,
        inbound_hash: bytes = NO_HASH,
    ) -> bytes:
        """The next micro-batch; covers one inbound offset per entry."""
        first = self.next
        self.seq += 1
        self.next = Position(first.log, first.offset + max(1, len(entries)))
        data = CODEC.encode(
            Batch(
                self.claim_id,
                self.seq,
                first,
                self.next,
                self.previous_hash,
                inbound_hash,
                1,
                NOW_MS + self.seq,
                entries,
                [Image(key, value) for key, value in sorted((images or {}).items())],
                bytes(16),
            )
        )
        self.previous_hash = hash_of(data)
        return data


async def append(producer: AIOKafkaProducer, topic: str, *records: bytes, partition: int = 0):
    """Append records to a journal topic, in order."""
    for record in records:
        await producer.send_and_wait(topic, record, partition=partition)

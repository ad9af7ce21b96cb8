"""The pure core by itself: folds over a dictionary, fed by hand. No Kafka, no clock, no loop."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import agents.services  # noqa: F401  fills the registry
from agents.audit.journal import Audit
from agents.decide import Arrival, Fold
from streams.journal import CODEC, NO_HASH, Batch, Entry, Genesis, Image, Position, hash_of
from streams.timestamps import format_ms
from tables.memory import SYSTEM, SeenSegment
from tables.row import Row
from tables.seen import Seen
from tables.working_set import WorkingSet

NOW_MS = 1_772_409_600_000
R = TypeVar("R", bound=Row)


class DictStore:
    """The store below a working set, as a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def scan(self, prefix: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        for key in sorted(self.rows):
            if key >= start and key.startswith(prefix):
                yield key, self.rows[key]


class Core:
    """One partition's fold; every envelope sent is a record of its own unless batched."""

    def __init__(self, *, partition: int = 0, partitions: int = 1) -> None:
        self.store = DictStore()
        self.working = WorkingSet(self.store)
        self.seen = Seen(self.working.get)
        self.fold = Fold(self.working, self.seen, partition=partition, partitions=partitions)
        self.partition, self.partitions = partition, partitions
        self.now_ms = NOW_MS
        self.entries: list[Entry] = []
        self.images: list[list[Image]] = []
        self.arrivals: list[Arrival] = []
        self._ends: list[tuple[int, int, int, bytes]] = []  # of each record

    def send(self, raw: bytes, *, ingress: str = "nats", refused: str = "") -> list[Entry]:
        """Decide one envelope in a record of its own; its entries."""
        return self.batch([self.arrival(raw, ingress=ingress, refused=refused)])

    def arrival(self, raw: bytes, *, ingress: str = "nats", refused: str = "") -> Arrival:
        """The next place in the log."""
        arrival = Arrival(1, len(self.arrivals), 0, ingress, self.now_ms, raw, refused)
        self.arrivals.append(arrival)
        return arrival

    def batch(self, arrivals: Iterable[Arrival]) -> list[Entry]:
        """Decide arrivals in one record; its entries."""
        self.begin()
        for arrival in arrivals:
            self.fold.decide(arrival)
        return self.close()[0]

    def begin(self) -> None:
        """Start a record."""
        self.fold.begin(len(self.images) + 1)

    def close(self) -> tuple[list[Entry], list[Image]]:
        """End the record: its entries and images."""
        entries, images = self.fold.close()
        self.entries += entries
        self.images.append(images)
        digest = self.working.digest.to_bytes(16, "big")
        self._ends.append((len(self.arrivals), len(self.entries), self.fold.now_ms, digest))
        return entries, images

    def journal(self) -> list[bytes]:
        """The records a writer would have appended, genesis first and no claims."""
        claim, at, entry = b"core".ljust(16), Position(1, 0), 0
        genesis = Genesis(
            claim, 1, self.partition, self.partitions, 0, at, NO_HASH, NO_HASH, 1, 0, bytes(16)
        )
        records = [CODEC.encode(genesis)]
        for seq, (images, end) in enumerate(zip(self.images, self._ends, strict=True), 1):
            arrivals, entries, now_ms, digest = end
            after, decided = Position(1, arrivals), self.entries[entry:entries]
            about = (claim, seq, at, after, hash_of(records[-1]), NO_HASH, 1, now_ms)
            records.append(CODEC.encode(Batch(*about, decided, images, digest)))
            at, entry = after, entries
        return records

    def event(
        self,
        event_type: str,
        tenant_id: str,
        data: dict[str, Any] | None = None,
        *,
        event_id: str = "",
        timestamp_ms: int | None = None,
        ingress: str = "nats",
    ) -> list[Entry]:
        """Decide one event; its entries."""
        raw = envelope(
            event_type,
            tenant_id,
            data or {},
            event_id=event_id or f"event-{len(self.arrivals)}",
            timestamp_ms=self.now_ms if timestamp_ms is None else timestamp_ms,
        )
        return self.send(raw, ingress=ingress)

    def tick(self, pass_ms: int = 0) -> list[Entry]:
        """Let log time pass and tell the partition."""
        self.now_ms += pass_ms
        return self.event("treasury.clock.ticked", "treasury", ingress="internal")

    def tenant(self, tenant_id: str, **settings: Any) -> list[Entry]:
        """Create a Kenyan tenant."""
        return self.event("auth.tenant.created", tenant_id, {"settings": settings})

    def order(self, tenant_id: str, order_id: str, total: int = 100) -> list[Entry]:
        """A café order of whole shillings."""
        data = {"order_id": order_id, "total_amount": total, "customer_id": "customer"}
        return self.event("cafe.order.created", tenant_id, data)

    def rows(self, kind: type[R]) -> list[R]:
        """Every row of this kind."""
        return self.working.scan(kind.KIND.encode() + b"\x00", 1 << 30)  # type: ignore[return-value]

    def violations(self) -> list[str]:
        """What the checker of the invariants finds in the journal so far."""
        audit = Audit(self.partition, self.partitions)
        for record in self.journal():
            audit.read(record)
        return [str(violation) for violation in audit.finish().violations]

    def checkpoint(self) -> None:
        """Store what was decided so far, as a checkpoint does."""
        newest = {image.key: image.value for images in self.images for image in images}
        for key, value in newest.items():
            if value is None:
                self.store.rows.pop(key, None)
            else:
                self.store.rows[key] = value
        self.working.stored(
            {k: v for k, v in newest.items() if k in self.working._newer}, set(newest)
        )

    def restarted(self) -> "Core":
        """Another process with the same rows, as recovery leaves it."""
        core = Core(partition=self.partition, partitions=self.partitions)
        for images in self.images:
            core.working.redo(images)
        core.seen = Seen(core.working.get)
        for segment in core.working.scan(SeenSegment.prefix_of(SYSTEM), 1 << 30):
            assert isinstance(segment, SeenSegment)
            core.seen.load(segment)
        core.fold = Fold(
            core.working,
            core.seen,
            partition=self.partition,
            partitions=self.partitions,
            now_ms=self.fold.now_ms,
        )
        core.now_ms = self.now_ms
        core.images, core.arrivals = list(self.images), list(self.arrivals)
        core.entries, core._ends = list(self.entries), list(self._ends)
        return core


def envelope(
    event_type: str, tenant_id: str, data: Any, *, event_id: str, timestamp_ms: int = NOW_MS
) -> bytes:
    """An envelope's bytes."""
    return json.dumps(
        {
            "event_id": event_id,
            "event_type": event_type,
            "tenant_id": tenant_id,
            "timestamp": format_ms(timestamp_ms),
            "data": data,
        }
    ).encode()

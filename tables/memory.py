"""What the writer itself remembers in the same record as the money: seen ids, answers, waiting
events, due moments. None of these is business; all of them are in the digest.

States: a row is there while it is needed, then gone. Guarantees: what is remembered commits with
the money it is about, or not at all. Constraints: ids are kept for eight days, waiting events for
one.
"""

from tables.row import Row, register

SYSTEM = "~"  # owner of rows that belong to the partition, not to a tenant; no valid tenant id


@register
class SeenSegment(Row, frozen=True):
    """The ids that one journal record decided, packed: 16 bytes identity, 8 payload, 1 status each
    (its highest bit: a reply may be stored).

    Dropped whole when `newest_ms` (log time) is older than anything that could still come again.
    """

    KIND = "sg"

    seq: int
    newest_ms: int
    packed: bytes

    @property
    def key(self) -> bytes:
        """(sequence number, in order)."""
        return segment_key(self.seq)


def segment_key(seq: int) -> bytes:
    """The key of the segment of journal record `seq`."""
    return SeenSegment.key_of(SYSTEM, f"{seq:016x}")


@register
class StoredReply(Row, frozen=True):
    """The answer an HTTP command got, for every retry of it; leaves with its seen segment."""

    KIND = "rp"

    identity: bytes
    status: int
    body: bytes

    @property
    def key(self) -> bytes:
        """(identity of tenant and event)."""
        return reply_key(self.identity)


def reply_key(identity: bytes) -> bytes:
    """The key of the stored reply of an event identity (16 bytes)."""
    return StoredReply.key_of(SYSTEM, identity.hex())


@register
class Parked(Row, frozen=True):
    """An event that waits for `wait_key` to be written, until `deadline_ms` of log time.

    `redriven`: somebody asked to have it decided once more.
    """

    KIND = "pk"
    KEY = ("tenant_id", "wait_key", "arrival")

    tenant_id: str
    wait_key: str
    arrival: str
    event_id: str
    ingress: str
    received_ms: int
    deadline_ms: int
    raw: bytes
    redriven: bool = False


@register
class TenantLoad(Row, frozen=True):
    """What a tenant burdens the partition with: events that wait, handlers that raised in a row.

    `asked_ms`: when the auth service was last asked who it is, 0 for never.
    """

    KIND = "pl"
    KEY = ("tenant_id",)

    tenant_id: str
    events: int = 0
    size_bytes: int = 0
    failures: int = 0
    asked_ms: int = 0


@register
class Release(Row, frozen=True):
    """Parked events of (tenant, wait_key) may go on now; drained in order, some per event."""

    KIND = "rl"

    arrival: str
    tenant_id: str
    wait_key: str

    @property
    def key(self) -> bytes:
        """(order of release)."""
        return self.key_of(SYSTEM, self.arrival, self.tenant_id, self.wait_key)


@register
class Due(Row, frozen=True):
    """Something to look at when log time passes `at_ms`: `kind` names the handler."""

    KIND = "du"

    at_ms: int
    kind: str
    tenant_id: str
    subject: str

    @property
    def key(self) -> bytes:
        """(time in order, tenant, kind, subject)."""
        return self.key_of(SYSTEM, f"{self.at_ms:013d}", self.tenant_id, self.kind, self.subject)


@register
class Looked(Row, frozen=True):
    """What the archive said of an event older than the deduplication window: seen or not."""

    KIND = "lk"
    KEY = ("tenant_id", "event_id")

    tenant_id: str
    event_id: str
    seen: bool


@register
class ClockDue(Row, frozen=True):
    """As `Due`, on the own clock of a sandbox tenant, which may run ahead of log time."""

    KIND = "cd"

    tenant_id: str
    at_ms: int
    kind: str
    subject: str

    @property
    def key(self) -> bytes:
        """(tenant, time in order, kind, subject)."""
        return self.key_of(self.tenant_id, f"{self.at_ms:013d}", self.kind, self.subject)


@register
class ClockAdvance(Row, frozen=True):
    """A sandbox tenant's clock is on its way to `until_ms`, from moment to moment."""

    KIND = "ck"
    KEY = ("tenant_id",)

    tenant_id: str
    until_ms: int

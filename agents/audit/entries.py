"""What entries must keep: I3 and I4 (each event once), I7 (derived ids), I10 (their places).

Remembers 16 bytes and a status of every event ever decided, some 110 bytes each.
"""

from agents.audit.invariants import Findings
from agents.outcomes import SYSTEM_TENANT
from streams.envelope import Envelope, read
from streams.ids import derive, identity
from streams.journal import Batch, Entry
from streams.money import plain
from streams.partitioner import partition_of

_AT_THE_DOOR = frozenset({"unknown_type", "ingress_not_allowed", "reserved_tenant", "conflict"})
_NOT_NOW = 503
_DUE = "treasury.due."
_REDRIVE_STEP = 1
# One object of each, however many events have it.
_STATUSES = {status: status for status in ("applied", "rejected", "refused", "parked", "misrouted")}
_ANYWHERE = frozenset({"rejected", "refused"})
_CALLS = {"archive": "lookup", "auth": "tenant", "kra": "declaration"}
"""Of what kind the ids of calls to a gateway are; `call` for all others."""


class Places:
    """I10: entries stand in the order of the log, every envelope of a record in its place.

    Offsets may be stepped over: a record may hold no envelope, or be the mark of a transaction.
    """

    def __init__(self, findings: Findings, partition: int) -> None:
        self._findings, self._partition = findings, partition
        self._now_ms = 0

    def check(self, record: Batch) -> None:
        """Look at the entries of the next record."""
        first, after, now_ms = record.first, record.next, self._now_ms
        offset, index, step = first.offset, first.index - 1, 0
        for entry in record.entries:
            at = entry.offset
            if entry.step:
                follows = at == offset and entry.index == index and entry.step > step
            elif at == offset:
                follows = entry.index == index + 1
            else:
                follows = at > offset and entry.index == 0
            if not follows:
                self._breaks(record, entry, "does not follow the entry before it")
            if entry.now_ms < now_ms:
                self._breaks(record, entry, "lies before the time of the entry before it")
            offset, index, step, now_ms = at, entry.index, entry.step, entry.now_ms
        self._now_ms = now_ms
        if after.index:
            ends = (offset, index) == (after.offset, after.index - 1)
        else:
            ends = offset < after.offset or not record.entries
        if not ends:
            words = f"the record covers {first} to {after}, its entries end elsewhere"
            self._findings.breaks("I10", words, self._partition, record.seq)
        self._findings.checked["I10"] += len(record.entries) + 1

    def _breaks(self, record: Batch, entry: Entry, words: str) -> None:
        place = f"{entry.offset}.{entry.index}.{entry.step}"
        self._findings.breaks("I10", f"entry {place} {words}", self._partition, record.seq)


class Decisions:
    """I3 and I4: each event has one decision, but for the ways a second one is meant.

    Those are: one that waited (parked) is released; one that was rejected is re-driven. What a
    door turned away, or was told to come again, is not decided at all. Of our own internal events
    a repeat that comes after the ids were forgotten is refused, which moves nothing.
    """

    def __init__(self, findings: Findings, partition: int, partitions: int) -> None:
        self._findings = findings
        self._partition, self._partitions = partition, partitions
        self._decided: dict[bytes, str] = {}
        self._seq = -1

    def check(self, record: Batch) -> None:
        """Look at the entries of the next record."""
        self._seq = record.seq
        for entry in record.entries:
            if entry.event_id:
                self._decision(entry)
            elif entry.status != "rejected":
                self._breaks("I3", entry, f"{entry.status} without an id")
            if entry.status != "applied" and (entry.postings or entry.emitted):
                self._breaks("I3", entry, "moves something although it was not applied")
            raw = entry.raw
            if not raw or not (entry.event_id.encode() in raw and entry.tenant_id.encode() in raw):
                self._bytes(entry)
        self._findings.checked["I3"] += len(record.entries)
        self._findings.checked["I4"] += len(record.entries)

    def _decision(self, entry: Entry) -> None:
        known = identity(entry.tenant_id, entry.event_id)
        before, status = self._decided.get(known), entry.status
        if status == "duplicate" or entry.reason == "conflict":
            if before is None:
                self._breaks("I3", entry, f"{status}, but nothing was decided before")
            return
        if status != "applied" and _turned_away(entry):
            return
        if (before is not None or entry.step) and not self._may_follow(before, entry):
            self._breaks("I3", entry, f"{status} at step {entry.step} after {before}")
        if not self._is_at_home(entry):
            self._breaks("I3", entry, f"{status} in a partition that is not its tenant's")
        asked_again = status == "parked" and before is not None and entry.step == 0
        if before != "applied" and not asked_again:
            self._decided[known] = _STATUSES[status]

    @staticmethod
    def _may_follow(before: str | None, entry: Entry) -> bool:
        step = entry.step
        if before is None:
            return step <= _REDRIVE_STEP or entry.event_type.startswith(_DUE)
        if before == "parked":
            return step > 0
        if before == "rejected" and step == _REDRIVE_STEP:
            return True
        if entry.status == "parked":  # older than our memory: the archive is asked about it
            return entry.reason == "awaiting_archive"
        # Moves nothing: it waited for the archive in vain, or is of our own and was forgotten.
        gave_up = entry.reason.startswith("deadline") or entry.ingress == "internal"
        return gave_up and entry.status == "rejected"

    def _is_at_home(self, entry: Entry) -> bool:
        if entry.status in _ANYWHERE or entry.tenant_id == SYSTEM_TENANT:
            return True
        home = partition_of(entry.tenant_id, self._partitions) == self._partition
        return home != (entry.status == "misrouted")

    def _bytes(self, entry: Entry) -> None:
        """An entry has bytes, which name what it names; only moments that came due have none."""
        if not entry.raw:
            if entry.step <= _REDRIVE_STEP or not entry.event_type.startswith(_DUE):
                self._breaks("I4", entry, "has no raw bytes")
            return
        envelope = read(entry.raw)  # the ids may be written with escapes
        named = isinstance(envelope, Envelope) and (envelope.tenant_id, envelope.event_id)
        if named != (entry.tenant_id, entry.event_id):
            self._breaks("I4", entry, "is not named by its raw bytes")

    def _breaks(self, invariant: str, entry: Entry, words: str) -> None:
        name = f"{entry.event_type} {entry.event_id} of {entry.tenant_id}"
        self._findings.breaks(invariant, f"{name}: {words}", self._partition, self._seq)


def _turned_away(entry: Entry) -> bool:
    if entry.status == "rejected":
        return entry.reason in _AT_THE_DOOR
    return entry.status == "refused" and entry.reply is not None and entry.reply.status == _NOT_NOW


class DerivedIds:
    """I7: an id is a function of tenant, source event, kind and ordinal; the bytes bear it."""

    def __init__(self, findings: Findings, partition: int) -> None:
        self._findings, self._partition = findings, partition

    def check(self, record: Batch) -> None:
        """Look at what the entries of a record emitted and want called."""
        count = 0
        for entry in record.entries:
            if entry.emitted:
                count += len(entry.emitted)
                self._emitted(record.seq, entry)
            if entry.calls:
                count += len(entry.calls)
                self._calls(record.seq, entry)
        self._findings.checked["I7"] += count

    def _emitted(self, seq: int, entry: Entry) -> None:
        ordinals: dict[str, int] = {}
        for event in entry.emitted:
            kind = event.event_type
            ordinal = ordinals.get(kind, 0)
            ordinals[kind] = ordinal + 1
            if event.event_id != derive(entry.tenant_id, entry.event_id, kind, ordinal):
                words = f"{kind} {event.event_id} does not follow from {entry.event_id}"
                self._findings.breaks("I7", words, self._partition, seq)
            if not event.body.startswith(
                f'{{"event_id":"{event.event_id}","event_type":"{kind}",'
                f'"tenant_id":"{entry.tenant_id}",'.encode()
            ):
                words = f"the bytes of {kind} {event.event_id} bear other names"
                self._findings.breaks("I7", words, self._partition, seq)

    def _calls(self, seq: int, entry: Entry) -> None:
        for place, call in enumerate(entry.calls):
            kind = _CALLS.get(call.gateway, "call")
            of_branch = kind == "declaration"  # one of each branch
            ordinal = int(plain(call.request)["branch"]) if of_branch else place
            if call.call_id != derive(entry.tenant_id, entry.event_id, kind, ordinal):
                words = f"call {call.call_id} does not follow from {entry.event_id}"
                self._findings.breaks("I7", words, self._partition, seq)

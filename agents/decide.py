"""The fold: one envelope after the other becomes entries and rows. Pure; same log, same result.

Order of the checks, which is the order of the reasons: door's own refusal, JSON, envelope, type,
ingress, partition, duplicate or conflict, time, tenant, body, then the handler.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from agents.apply import Draft, apply, json_reply
from agents.effects import Park, Redrive, Refuse
from agents.parking import Parking
from agents.registry import DUE, HANDLED, Event, Handled, View, model_error
from streams import strict_json
from streams.envelope import Envelope, Refusal, read
from streams.errors import TreasuryError
from streams.ids import derive, identity, payload_hash
from streams.journal import Call, Entry, Image, Reply
from streams.money import BadAmount, UnknownAsset
from streams.partitioner import partition_of
from tables.memory import SYSTEM, Due, Looked, StoredReply, reply_key
from tables.row import Row
from tables.seen import Seen
from tables.tenants import Tenant
from tables.working_set import Overlay, WorkingSet

WINDOW_MS = 7 * 24 * 3600 * 1000
FUTURE_MS = 24 * 3600 * 1000
MAX_ENTRY_BYTES = 4 * 1024 * 1024
STEPS_PER_EVENT = 1_000
FAILURES_BEFORE_FREEZE = 5
FAILING_TENANTS_BEFORE_EXIT = 3
SYSTEM_TENANT = "treasury"
"""The tenant of ticks; no customer may bear this name."""


class BadDeploy(TreasuryError):
    """Handlers fail for several tenants at once: exit before the log ends in the dead letters."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An envelope as it stands in the log; `refused` is the reason a door already gave."""

    log: int
    offset: int
    index: int
    ingress: str
    received_ms: int
    raw: bytes
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the fold made of one event before it is written down."""

    status: str
    reason: str = ""
    draft: Draft | None = None
    reply: Reply | None = None


class Fold:
    """Decides the envelopes of one partition in order, on its working set."""

    def __init__(
        self, working: WorkingSet, seen: Seen, *, partition: int, partitions: int, now_ms: int = 0
    ) -> None:
        self.working = working
        self.seen = seen
        self.now_ms = now_ms
        self.entries: list[Entry] = []
        self.changed: set[bytes] = set()
        self.size_bytes = 0
        self.parking = Parking(working)
        self._partition, self._partitions = partition, partitions
        self._seq = 0
        self._failing: set[str] = set()

    # -- a micro-batch ------------------------------------------------------------------------

    def begin(self, seq: int) -> None:
        """Start the journal record `seq`."""
        self._seq = seq
        self.entries, self.changed, self.size_bytes = [], set(), 0
        self.seen.begin(seq)

    def close(self) -> tuple[list[Entry], list[Image]]:
        """End the record: its entries and images; `working.digest` is then up to date."""
        segment = self.seen.close(self.now_ms)
        if segment is not None:
            self._set(segment.key, segment)
        for key, identities in self.seen.expired(self.now_ms - WINDOW_MS, 8):
            self._set(key, None)
            for known in identities:
                if self.working.get(reply_key(known)) is not None:
                    self._set(reply_key(known), None)
        entries, changed = self.entries, self.changed
        self.entries, self.changed = [], set()
        return entries, self.working.images(list(changed))

    def _set(self, key: bytes, row: Row | None) -> None:
        self.working.put(key, row)
        self.changed.add(key)

    # -- one envelope -------------------------------------------------------------------------

    def decide(self, arrival: Arrival, *, checked: bool = False) -> None:
        """Decide one envelope and what it releases; `checked` if its JSON is known to be strict."""
        if arrival.received_ms < self.now_ms:
            # Log time, not the broker's clock, is what a replay has.
            arrival = replace(arrival, received_ms=self.now_ms)
        self.now_ms = arrival.received_ms
        if arrival.refused:
            self._write(arrival, 0, _BARE, Outcome("rejected", arrival.refused))
            return
        bad = None if checked else strict_json.check(arrival.raw)
        envelope = Refusal(bad, "") if bad else read(arrival.raw)
        if isinstance(envelope, Refusal):
            self._write(arrival, 0, _BARE, Outcome("rejected", _reason(envelope)))
            return
        self._envelope(arrival, envelope)
        tick = envelope.event_type == "treasury.clock.ticked"
        if (tick and arrival.ingress == "internal") or self.parking.releasing:
            self._continue(arrival, tick=tick)

    def _envelope(self, arrival: Arrival, envelope: Envelope) -> None:
        handled = HANDLED.get(envelope.event_type)
        refusal = self._door(arrival, envelope, handled)
        if refusal:
            self._write(arrival, 0, envelope, Outcome("rejected", refusal))
            return
        assert handled is not None
        known = identity(envelope.tenant_id, envelope.event_id)
        payload = payload_hash(envelope.event_type, envelope.data)
        before = self.seen.find(known)
        if before is not None:
            self._write(arrival, 0, envelope, self._again(known, before.payload_hash == payload))
            return
        outcome = self._first_time(arrival, envelope, handled, step=0)
        self._remember(known, payload, arrival.ingress, outcome)
        self._write(arrival, 0, envelope, outcome)
        if outcome.draft is not None and outcome.draft.redrive is not None:
            self._redrive(arrival, outcome.draft.redrive)

    @staticmethod
    def _door(arrival: Arrival, envelope: Envelope, handled: Handled | None) -> str:
        if handled is None:
            return "unknown_type"
        if arrival.ingress not in handled.ingress:
            return "ingress_not_allowed"
        if envelope.tenant_id == SYSTEM_TENANT and arrival.ingress != "internal":
            return "reserved_tenant"
        return ""

    def _again(self, known: bytes, same_payload: bool) -> Outcome:
        if not same_payload:
            reply = json_reply(422, {"code": "conflict", "detail": "same id, other payload"})
            return Outcome("rejected", "conflict", reply=reply)
        stored = self.working.get(reply_key(known))
        if isinstance(stored, StoredReply):
            return Outcome("duplicate", reply=Reply(stored.status, stored.body))
        return Outcome("duplicate")

    def _first_time(
        self, arrival: Arrival, envelope: Envelope, handled: Handled, *, step: int
    ) -> Outcome:
        tenant_id = envelope.tenant_id
        if tenant_id != SYSTEM_TENANT and self._elsewhere(tenant_id):
            return Outcome("misrouted")
        if envelope.timestamp_ms > self.now_ms + FUTURE_MS:
            return Outcome("rejected", "future")
        if handled.needs_tenant and self._must_wait(tenant_id, released=step > 0):
            key = Tenant.key_of(tenant_id)
            return self._park(arrival, envelope, step, Park(key, "tenant_unknown_or_frozen"))
        if envelope.timestamp_ms < self.now_ms - WINDOW_MS and arrival.ingress != "internal":
            outcome = self._too_old(arrival, envelope, step)
            if outcome is not None:
                return outcome
        try:
            data = handled.decode(envelope.data)
        except (ValueError, RecursionError) as error:
            return _refused(arrival.ingress, "malformed", model_error(error), 422)
        event = Event(
            envelope.event_id,
            envelope.event_type,
            tenant_id,
            envelope.timestamp_ms,
            self.now_ms,
            data,
        )
        return self._handle(arrival, envelope, handled, event, step)

    def _elsewhere(self, tenant_id: str) -> bool:
        return partition_of(tenant_id, self._partitions) != self._partition

    def _must_wait(self, tenant_id: str, *, released: bool) -> bool:
        tenant = self.working.get(b"tn\x00" + tenant_id.encode())
        if not isinstance(tenant, Tenant) or tenant.status != "active":
            return True
        return not released and self.parking.ahead_of(tenant_id)

    def _too_old(self, arrival: Arrival, envelope: Envelope, step: int) -> Outcome | None:
        """Older than what we remember: the archive must say whether it was decided before."""
        key = Looked.key_of(envelope.tenant_id, envelope.event_id)
        looked = self.working.get(key)
        if isinstance(looked, Looked):
            return Outcome("duplicate", "archived") if looked.seen else None
        outcome = self._park(arrival, envelope, step, Park(key, "awaiting_archive"))
        if outcome.status != "parked":
            return outcome
        request = msgspec.json.encode({"event_id": envelope.event_id})
        call_id = derive(envelope.tenant_id, envelope.event_id, "lookup", 0)
        call = Call(call_id, "archive", "seen", request, self.now_ms + WINDOW_MS)
        return Outcome(outcome.status, outcome.reason, Draft(calls=[call]), outcome.reply)

    # -- handlers -----------------------------------------------------------------------------

    def _handle(
        self,
        arrival: Arrival,
        envelope: Envelope,
        handled: Handled,
        event: Event[Any],
        step: int,
    ) -> Outcome:
        overlay, draft = Overlay(self.working), Draft()
        try:
            effects = handled.handler(event, View(overlay.get, overlay.scan))
            stopped = apply(event, effects, overlay, draft)
        except (BadAmount, UnknownAsset) as error:
            return _refused(arrival.ingress, "bad_amount", str(error), 422)
        except TreasuryError:
            raise
        except Exception as error:
            return self._failed(event.tenant_id, arrival.ingress, error)
        if isinstance(stopped, Park):
            return self._park(arrival, envelope, step, stopped)
        if isinstance(stopped, Refuse):
            return _refused(arrival.ingress, stopped.reason, stopped.detail, stopped.http_status)
        if _size_of(draft) > MAX_ENTRY_BYTES:
            return _rejected(arrival.ingress, "too_large", "", 413)
        self._failing.discard(event.tenant_id)
        self._merge(event.tenant_id, arrival, overlay, step)
        return Outcome("applied", "", draft, draft.reply)

    def _merge(self, tenant_id: str, arrival: Arrival, overlay: Overlay, step: int) -> None:
        changes = overlay.merge()
        self.changed.update(changes)
        self.changed.update(self.parking.forget_failures(tenant_id))
        if self.parking.waits(tenant_id):
            order = _arrival_order(arrival, step)
            self.changed.update(self.parking.wake(tenant_id, list(changes), order))

    def _failed(self, tenant_id: str, ingress: str, error: Exception) -> Outcome:
        """A handler raised: its fault, not the event's; never let it empty the log."""
        self._failing.add(tenant_id)
        if len(self._failing) >= FAILING_TENANTS_BEFORE_EXIT:
            raise BadDeploy(f"handlers fail for {len(self._failing)} tenants") from error
        changed, failures = self.parking.count_failure(tenant_id)
        self.changed.update(changed)
        tenant = self.working.get(Tenant.key_of(tenant_id))
        if failures >= FAILURES_BEFORE_FREEZE and isinstance(tenant, Tenant):
            self._set(tenant.key, tenant.replaced(status="frozen"))
        return _rejected(ingress, "internal", type(error).__name__, 500)

    def _park(self, arrival: Arrival, envelope: Envelope, step: int, park: Park) -> Outcome:
        changes = self.parking.park(
            park,
            tenant_id=envelope.tenant_id,
            event_id=envelope.event_id,
            order=_arrival_order(arrival, step),
            ingress=arrival.ingress,
            received_ms=arrival.received_ms,
            now_ms=self.now_ms,
            raw=arrival.raw,
        )
        if changes is None:
            return _refused(arrival.ingress, "parking_full", "", 503)
        self.changed.update(changes)
        reply = json_reply(202, {"status": "parked", "reason": park.reason})
        return Outcome("parked", park.reason, reply=reply if arrival.ingress == "http" else None)

    # -- what one event sets in motion in the same place --------------------------------------

    def _continue(self, arrival: Arrival, *, tick: bool) -> None:
        steps = iter(range(2, STEPS_PER_EVENT + 2))  # step 1 is a re-drive
        if tick:
            self._run_due(arrival, steps)
        self._run_released(arrival, steps)

    def _run_due(self, arrival: Arrival, steps: Iterable[int]) -> None:
        due = self.working.scan(Due.prefix_of(SYSTEM), STEPS_PER_EVENT // 2)
        self.parking.more_due = False
        for row, step in zip(due, steps, strict=False):
            assert isinstance(row, Due)
            if row.at_ms > self.now_ms:
                return
            self._set(row.key, None)
            self._moment(arrival, row, step)
        self.parking.more_due = len(due) == STEPS_PER_EVENT // 2

    def _moment(self, arrival: Arrival, row: Due, step: int) -> None:
        event_id = derive(row.tenant_id, row.subject, f"due.{row.kind}", row.at_ms)
        event_type = f"treasury.due.{row.kind}"
        if row.kind == "parked":
            self._deadline(arrival, row, step)
            return
        event = Event(event_id, event_type, row.tenant_id, row.at_ms, self.now_ms, row)
        envelope = Envelope(event_id, event_type, row.tenant_id, "", row.at_ms, b"{}")
        handled = Handled(event_type, Due, DUE[row.kind], frozenset(), False, bytes)
        outcome = self._handle(arrival, envelope, handled, event, step)
        if outcome.status != "applied" or _size_of(outcome.draft):
            self._write(arrival, step, envelope, outcome, raw=b"")

    def _deadline(self, arrival: Arrival, row: Due, step: int) -> None:
        taken = self.parking.take(row.tenant_id, row.subject)
        if taken is None or taken.row is None:
            return
        self.changed.update(taken.changes)
        parked = taken.row
        envelope = read(parked.raw)
        assert isinstance(envelope, Envelope)
        outcome = _refused(parked.ingress, "deadline", "what it waited for did not come", 409)
        again = replace(arrival, ingress=parked.ingress, received_ms=parked.received_ms)
        self._settle_parked(again, step, envelope, parked.raw, outcome)

    def _run_released(self, arrival: Arrival, steps: Iterable[int]) -> None:
        for step in steps:
            parked = self.parking.next_released()
            if parked is None:
                return
            self.changed.update(parked.changes)
            if parked.row is None:
                continue
            row = parked.row
            envelope = read(row.raw)
            assert isinstance(envelope, Envelope)
            again = replace(arrival, ingress=row.ingress, received_ms=row.received_ms, raw=row.raw)
            handled = HANDLED[envelope.event_type]
            outcome = self._first_time(again, envelope, handled, step=step)
            self._settle_parked(again, step, envelope, row.raw, outcome)

    def _redrive(self, arrival: Arrival, redrive: Redrive) -> None:
        """By all the rules the event was under the first time, its door's included."""
        again = replace(arrival, ingress=redrive.ingress, raw=redrive.raw)
        bad = strict_json.check(redrive.raw)
        envelope = Refusal(bad, "") if bad else read(redrive.raw)
        if isinstance(envelope, Refusal):
            self._write(again, 1, _BARE, Outcome("rejected", _reason(envelope)))
            return
        handled = HANDLED.get(envelope.event_type)
        refusal = self._door(again, envelope, handled)
        if refusal:
            self._write(again, 1, envelope, Outcome("rejected", refusal))
            return
        assert handled is not None
        before = self.seen.find(identity(envelope.tenant_id, envelope.event_id))
        if before is not None and before.status != "rejected":
            self._write(again, 1, envelope, Outcome("duplicate", f"was {before.status}"))
            return
        outcome = self._first_time(again, envelope, handled, step=1)
        self._settle_parked(again, 1, envelope, redrive.raw, outcome)

    def _settle_parked(
        self, arrival: Arrival, step: int, envelope: Envelope, raw: bytes, outcome: Outcome
    ) -> None:
        known = identity(envelope.tenant_id, envelope.event_id)
        payload = payload_hash(envelope.event_type, envelope.data)
        self._remember(known, payload, arrival.ingress, outcome)
        if outcome.status != "parked" and envelope.timestamp_ms < self.now_ms - WINDOW_MS:
            self._forget_look_up(envelope)
        self._write(arrival, step, envelope, outcome, raw=raw)

    def _forget_look_up(self, envelope: Envelope) -> None:
        key = Looked.key_of(envelope.tenant_id, envelope.event_id)
        if self.working.get(key) is not None:
            self._set(key, None)

    # -- writing down -------------------------------------------------------------------------

    def _remember(self, known: bytes, payload: bytes, ingress: str, outcome: Outcome) -> None:
        reply = outcome.reply
        # A command may have been answered before, when it was told to wait.
        answered = reply is not None or ingress == "http"
        self.seen.remember(known, payload, outcome.status, answered=answered)
        if reply is not None:
            row = StoredReply(known, reply.status, reply.body)
            self._set(row.key, row)

    def _write(
        self,
        arrival: Arrival,
        step: int,
        envelope: Envelope,
        outcome: Outcome,
        *,
        raw: bytes | None = None,
    ) -> None:
        draft = outcome.draft or _EMPTY
        raw = arrival.raw if raw is None else raw
        self.size_bytes += len(raw) + 160 + _size_of(draft)
        self.entries.append(
            Entry(
                arrival.offset,
                arrival.index,
                step,
                outcome.status,
                outcome.reason,
                arrival.ingress,
                self.now_ms,
                envelope.tenant_id,
                envelope.event_id,
                envelope.event_type,
                raw,
                draft.postings,
                draft.emitted,
                draft.calls,
                outcome.reply,
                arrival.refused,
            )
        )


_BARE = Envelope("", "", "", "", 0, b"")
_EMPTY = Draft()


def _reason(refusal: Refusal) -> str:
    return f"{refusal.reason}: {refusal.detail}" if refusal.detail else refusal.reason


def _refused(ingress: str, reason: str, detail: str, http_status: int) -> Outcome:
    """The caller's matter: a command is answered, anything else is a dead letter."""
    if ingress != "http":
        return Outcome("rejected", f"{reason}: {detail}" if detail else reason)
    body = {"code": reason, "detail": detail}
    return Outcome("refused", reason, reply=json_reply(http_status, body))


def _rejected(ingress: str, reason: str, detail: str, http_status: int) -> Outcome:
    """Our matter: a dead letter in any case, and a command is answered besides."""
    reply = json_reply(http_status, {"code": reason, "detail": ""}) if ingress == "http" else None
    return Outcome("rejected", f"{reason}: {detail}" if detail else reason, reply=reply)


def _size_of(draft: Draft | None) -> int:
    """Roughly the bytes of what a draft adds to its entry; 0 if it adds nothing."""
    if draft is None:
        return 0
    size = 80 * len(draft.postings)
    for emitted in draft.emitted:
        size += 100 + len(emitted.body)
    for call in draft.calls:
        size += 150 + len(call.request)
    return size + (len(draft.reply.body) if draft.reply else 0)


def _arrival_order(arrival: Arrival, step: int) -> str:
    return f"{arrival.log:04x}{arrival.offset:016x}{arrival.index:05x}{step:05x}"

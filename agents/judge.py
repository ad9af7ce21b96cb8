"""What becomes of one event that was not decided before: may it be decided, and by its handler how.

Order of the reasons: partition, time, tenant, age, body, then the handler's own.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from agents.apply import Draft, apply, json_reply
from agents.effects import DryRun, Park, Refuse, Unfit
from agents.outcomes import (
    FUTURE_MS,
    SYSTEM_TENANT,
    WINDOW_MS,
    Arrival,
    Outcome,
    parked,
    refused,
    rejected,
)
from agents.page import Page
from agents.parking import DEADLINE_MS, Parking
from agents.registry import Event, Handled, View, model_error
from streams.envelope import Envelope
from streams.errors import TreasuryError
from streams.ids import derive
from streams.journal import Call
from streams.money import BadAmount, UnknownAsset
from streams.partitioner import partition_of
from streams.timestamps import BadTimestamp
from tables.memory import Looked
from tables.tenants import Tenant
from tables.working_set import Changes, Overlay

MAX_ENTRY_BYTES = 4 * 1024 * 1024
FAILURES_BEFORE_FREEZE = 5
UNFIT = (Unfit, BadAmount, UnknownAsset, BadTimestamp)
"""What a handler may raise about a body: its sender's matter."""
RAISED = "internal"
"""The reason of what a handler raised on; the name of the error follows."""


def door(arrival: Arrival, envelope: Envelope, handled: Handled | None) -> str:
    """Why an event may not come in this way; empty if it may."""
    if handled is None:
        return "unknown_type"
    if arrival.ingress not in handled.ingress:
        return "ingress_not_allowed"
    if envelope.tenant_id == SYSTEM_TENANT and arrival.ingress != "internal":
        return "reserved_tenant"
    return ""


def _why(error: Exception) -> tuple[str, str, int]:
    """(reason, detail, HTTP status) of what a handler found unfit."""
    if isinstance(error, Unfit):
        return error.reason, error.detail, error.http_status
    return "bad_date" if isinstance(error, BadTimestamp) else "bad_amount", str(error), 422


class Judge:
    """Judges events of one partition on the rows of its page.

    `failing` are the tenants whose handlers raised, without a success since, and the last error of
    each. It is a note for whoever runs the fold, and decides nothing: a replay has other notes.
    `raised` is for a replay: where (offset, index, step) handlers raised, and what. That a release
    was bad is a fact of the log, which a better one cannot find out by itself.
    """

    def __init__(self, page: Page, parking: Parking, partition: int, partitions: int) -> None:
        self.failing: dict[str, Exception] = {}
        self.raised: dict[tuple[int, int, int], str] = {}
        self._page, self._parking = page, parking
        self._partition, self._partitions = partition, partitions

    def first_time(
        self, arrival: Arrival, envelope: Envelope, handled: Handled, *, step: int
    ) -> Outcome:
        """Decide an event that nothing was decided about; `step` > 0 if it waited for this."""
        tenant_id, now_ms = envelope.tenant_id, self._page.now_ms
        tenant = self._page.working.get(b"tn\x00" + tenant_id.encode())
        known = isinstance(tenant, Tenant)  # its events come to this partition
        if not known and tenant_id != SYSTEM_TENANT and self._elsewhere(tenant_id):
            return Outcome("misrouted")
        if envelope.timestamp_ms > now_ms + FUTURE_MS:
            return Outcome("rejected", "future")
        active = isinstance(tenant, Tenant) and tenant.status == "active"
        if handled.needs_tenant and (
            not active or (step == 0 and self._parking.ahead_of(tenant_id))
        ):
            key = Tenant.key_of(tenant_id)
            waits = self._park(arrival, envelope, step, Park(key, "tenant_unknown_or_frozen"))
            return waits if known else self._who_is(envelope, waits)
        if envelope.timestamp_ms < now_ms - WINDOW_MS and arrival.ingress != "internal":
            outcome = self._too_old(arrival, envelope, step)
            if outcome is not None:
                return outcome
        ahead_ms = tenant.ahead_ms if isinstance(tenant, Tenant) else 0
        try:
            data = handled.decode(envelope.data)
        except (ValueError, RecursionError) as error:
            return refused(arrival.ingress, "malformed", model_error(error), 422)
        event = Event(
            envelope.event_id,
            envelope.event_type,
            tenant_id,
            envelope.timestamp_ms + ahead_ms,
            now_ms + ahead_ms,
            data,
            now_ms,
        )
        return self.handle(arrival, envelope, handled, event, step)

    def _elsewhere(self, tenant_id: str) -> bool:
        return partition_of(tenant_id, self._partitions) != self._partition

    def _who_is(self, envelope: Envelope, outcome: Outcome) -> Outcome:
        """An event waits for a tenant we have not heard of: the auth service is asked about it."""
        tenant_id, now_ms = envelope.tenant_id, self._page.now_ms
        if outcome.status != "parked" or not self._parking.may_ask(tenant_id, now_ms):
            return outcome
        call_id = derive(tenant_id, envelope.event_id, "tenant", 0)
        call = Call(call_id, "auth", "tenant", b"{}", now_ms + DEADLINE_MS)
        return _asking(outcome, call)

    def _too_old(self, arrival: Arrival, envelope: Envelope, step: int) -> Outcome | None:
        """Older than what we remember: the archive must say whether it was decided before."""
        key = Looked.key_of(envelope.tenant_id, envelope.event_id)
        looked = self._page.working.get(key)
        if isinstance(looked, Looked):
            return Outcome("duplicate", "archived") if looked.seen else None
        outcome = self._park(arrival, envelope, step, Park(key, "awaiting_archive"))
        if outcome.status != "parked":
            return outcome
        question: dict[str, str | bool] = {"event_id": envelope.event_id}
        if arrival.redriven:
            question["redriven"] = True
        call_id = derive(envelope.tenant_id, envelope.event_id, "lookup", 0)
        deadline_ms = self._page.now_ms + WINDOW_MS
        call = Call(call_id, "archive", "seen", msgspec.json.encode(question), deadline_ms)
        return _asking(outcome, call)

    # -- handlers -----------------------------------------------------------------------------

    def handle(
        self,
        arrival: Arrival,
        envelope: Envelope,
        handled: Handled,
        event: Event[Any],
        step: int,
    ) -> Outcome:
        """Let the handler decide; what it wants happens whole or not at all."""
        overlay, draft = Overlay(self._page.working), Draft()
        try:
            if self.raised:
                self._raise_again((arrival.offset, arrival.index, step))
            effects = handled.handler(event, View(overlay))
            stopped = apply(event, effects, overlay, draft)
        except UNFIT as error:
            return refused(arrival.ingress, *_why(error))
        except TreasuryError:
            raise
        except Exception as error:
            return self._failed(event.tenant_id, arrival.ingress, error)
        if stopped is not None:
            return self._stopped(arrival, envelope, step, stopped)
        changes = Changes(overlay.changes)
        if draft.size_bytes + changes.size_bytes > MAX_ENTRY_BYTES:
            return rejected(arrival.ingress, "too_large", "", 413)
        self.failing.pop(event.tenant_id, None)
        self._page.working.merge(changes)
        if self._parking.burdened(event.tenant_id):
            self._wake(event.tenant_id, changes.rows, arrival.order(step))
        return Outcome("applied", "", draft, draft.reply)

    def _stopped(
        self, arrival: Arrival, envelope: Envelope, step: int, effect: Park | Refuse | DryRun
    ) -> Outcome:
        """What a handler decided instead of doing something."""
        if isinstance(effect, Park):
            return self._park(arrival, envelope, step, effect)
        if isinstance(effect, DryRun):
            return Outcome("refused", "dry_run", reply=json_reply(200, effect.body))
        return refused(arrival.ingress, effect.reason, effect.detail, effect.http_status)

    def _wake(self, tenant_id: str, keys: Iterable[bytes], order: str) -> None:
        self._parking.forget_failures(tenant_id)
        self._parking.wake(tenant_id, keys, order)

    def _raise_again(self, place: tuple[int, int, int]) -> None:
        """Of a replay: raise what a handler raised there."""
        name = self.raised.get(place)
        if name is not None:
            raise type(name, (Exception,), {})

    def _failed(self, tenant_id: str, ingress: str, error: Exception) -> Outcome:
        """A handler raised: its fault, not the event's; often in a row, the tenant must wait."""
        self.failing[tenant_id] = error
        failures = self._parking.count_failure(tenant_id)
        tenant = self._page.working.get(Tenant.key_of(tenant_id))
        if failures >= FAILURES_BEFORE_FREEZE and isinstance(tenant, Tenant):
            self._page.working.put(tenant.key, tenant.replaced(status="frozen"))
        return rejected(ingress, RAISED, type(error).__name__, 500)

    def _park(self, arrival: Arrival, envelope: Envelope, step: int, park: Park) -> Outcome:
        there_is_room = self._parking.park(
            park,
            tenant_id=envelope.tenant_id,
            event_id=envelope.event_id,
            order=arrival.order(step),
            ingress=arrival.ingress,
            received_ms=arrival.received_ms,
            now_ms=self._page.now_ms,
            raw=arrival.raw,
            redriven=arrival.redriven,
        )
        if not there_is_room:
            return refused(arrival.ingress, "parking_full", "", 503)
        return parked(arrival.ingress, park.reason)


def _asking(outcome: Outcome, call: Call) -> Outcome:
    """An event that waits, and what is asked meanwhile."""
    draft = Draft()
    draft.call(call)
    return Outcome(outcome.status, outcome.reason, draft, outcome.reply)

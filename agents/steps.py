"""What one event sets in motion in the same place: due moments, released events, a re-drive.

Step 1 is a re-drive, 2 and on the rest; bounded in number and bytes, what is left goes on with the
next event or tick.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from agents.effects import Redrive
from agents.judge import Judge, door
from agents.moments import CLOCK
from agents.outcomes import BARE, WINDOW_MS, Arrival, Outcome, refused
from agents.page import Page
from agents.parking import Parking
from agents.registry import DUE, HANDLED, Event, Handled
from streams import strict_json
from streams.envelope import Envelope, Refusal, read
from streams.ids import derive, identity, payload_hash
from tables.memory import SYSTEM, ClockAdvance, ClockDue, Due, Looked, Parked
from tables.tenants import Tenant

STEPS_PER_EVENT = 1_000
STEPS_BYTES = 1024 * 1024
"""Beyond this many bytes of entries and rows in one place, no further step is begun."""


class Steps:
    """Takes the steps that follow an event of one partition."""

    def __init__(self, page: Page, judge: Judge, parking: Parking) -> None:
        self._page, self._judge, self._parking = page, judge, parking

    def follow(self, arrival: Arrival, *, tick: bool, until_bytes: int) -> None:
        """What is due, if time was told; then what was released.

        No step begins once the page has spent `until_bytes`.
        """
        steps = iter(range(2, STEPS_PER_EVENT + 2))
        if tick:
            self._run_due(arrival, steps, until_bytes)
        self._run_released(arrival, steps, until_bytes)

    # -- moments ------------------------------------------------------------------------------

    def _run_due(self, arrival: Arrival, steps: Iterator[int], until_bytes: int) -> None:
        page, parking = self._page, self._parking
        due = page.working.scan(Due.prefix_of(SYSTEM), STEPS_PER_EVENT // 2)
        parking.more_due = False
        for row in due:
            assert isinstance(row, Due)
            if row.at_ms > page.now_ms:
                return
            step = next(steps, 0)
            if not step or page.spent_bytes >= until_bytes:
                parking.more_due = True
                return
            page.working.put(row.key, None)
            if row.kind == "parked":
                self._deadline(arrival, row, step)
            elif row.kind == CLOCK:
                self._clock(arrival, row.tenant_id, steps, until_bytes)
            else:
                self._moment(arrival, row, row.at_ms, step)
        parking.more_due = parking.more_due or len(due) == STEPS_PER_EVENT // 2

    def _clock(
        self, arrival: Arrival, tenant_id: str, steps: Iterator[int], until_bytes: int
    ) -> None:
        """Moments of a sandbox tenant by its own clock, which stands at each while it is due."""
        page = self._page
        advance = page.working.get(ClockAdvance.key_of(tenant_id))
        until_ms = page.now_ms + self._ahead_ms(tenant_id)
        if isinstance(advance, ClockAdvance):
            until_ms = max(until_ms, advance.until_ms)
        for step in steps:
            found = page.working.scan(ClockDue.prefix_of(tenant_id), 1)
            if not found or found[0].at_ms > until_ms:  # type: ignore[attr-defined]
                break
            if page.spent_bytes >= until_bytes:
                self._clock_later(tenant_id)
                return
            row = found[0]
            assert isinstance(row, ClockDue)
            page.working.put(row.key, None)
            self._set_clock(tenant_id, row.at_ms)
            self._moment(arrival, row, row.at_ms - self._ahead_ms(tenant_id), step)
        else:
            self._clock_later(tenant_id)
            return
        self._set_clock(tenant_id, until_ms)
        if advance is not None:
            page.working.put(advance.key, None)

    def _clock_later(self, tenant_id: str) -> None:
        """There is more than one place in the log may do."""
        due = Due(self._page.now_ms, CLOCK, tenant_id, "")
        self._page.working.put(due.key, due)
        self._parking.more_due = True

    def _ahead_ms(self, tenant_id: str) -> int:
        tenant = self._page.working.get(Tenant.key_of(tenant_id))
        return tenant.ahead_ms if isinstance(tenant, Tenant) else 0

    def _set_clock(self, tenant_id: str, clock_ms: int) -> None:
        """Put the tenant's clock forward to this, never back."""
        tenant = self._page.working.get(Tenant.key_of(tenant_id))
        ahead_ms = clock_ms - self._page.now_ms
        if isinstance(tenant, Tenant) and ahead_ms > tenant.ahead_ms:
            self._page.working.put(tenant.key, tenant.replaced(ahead_ms=ahead_ms))

    def _moment(self, arrival: Arrival, row: Due | ClockDue, log_ms: int, step: int) -> None:
        """What was due at `log_ms` of log time."""
        event_id = derive(row.tenant_id, row.subject, f"due.{row.kind}", row.at_ms)
        event_type = f"treasury.due.{row.kind}"
        now_ms, ahead_ms = self._page.now_ms, self._ahead_ms(row.tenant_id)
        times = log_ms + ahead_ms, now_ms + ahead_ms
        event = Event(event_id, event_type, row.tenant_id, *times, row, now_ms)
        envelope = Envelope(event_id, event_type, row.tenant_id, "", row.at_ms, b"{}")
        handled = Handled(event_type, Due, DUE[row.kind], frozenset(), False, bytes)
        outcome = self._judge.handle(arrival, envelope, handled, event, step)
        if outcome.status != "applied" or (outcome.draft and outcome.draft.size_bytes):
            self._page.write(arrival, step, envelope, outcome, raw=b"")

    def _deadline(self, arrival: Arrival, due: Due, step: int) -> None:
        row = self._parking.take(due.tenant_id, due.subject)
        if row is None:
            return
        outcome = refused(row.ingress, "deadline", "what it waited for did not come", 409)
        self._settle(_again(arrival, row), step, _readable(row.raw), outcome)

    # -- released -----------------------------------------------------------------------------

    def _run_released(self, arrival: Arrival, steps: Iterator[int], until_bytes: int) -> None:
        page = self._page
        for step in steps:
            if page.spent_bytes >= until_bytes:
                return
            row = self._parking.next_released()
            if row is None:
                if not self._parking.releasing:
                    return
                continue
            again, envelope = _again(arrival, row), _readable(row.raw)
            handled = HANDLED[envelope.event_type]
            outcome = self._judge.first_time(again, envelope, handled, step=step)
            self._settle(again, step, envelope, outcome)

    # -- re-drives ----------------------------------------------------------------------------

    def redrive(self, arrival: Arrival, redrive: Redrive) -> None:
        """By all the rules the event was under the first time, its door's included."""
        again = replace(arrival, ingress=redrive.ingress, raw=redrive.raw, redriven=True)
        bad = strict_json.check(redrive.raw)
        envelope = Refusal(bad, "") if bad else read(redrive.raw)
        if isinstance(envelope, Refusal):
            self._page.write(again, 1, BARE, Outcome("rejected", str(envelope)))
            return
        handled = HANDLED.get(envelope.event_type)
        refusal = door(again, envelope, handled)
        if refusal:
            self._page.write(again, 1, envelope, Outcome("rejected", refusal))
            return
        assert handled is not None
        allowed = self._allowed(again, envelope)
        if isinstance(allowed, Outcome):
            self._page.write(again, 1, envelope, allowed)
            return
        envelope = _readable(allowed.raw)
        outcome = self._judge.first_time(allowed, envelope, handled, step=1)
        self._settle(allowed, 1, envelope, outcome)

    def _allowed(self, again: Arrival, envelope: Envelope) -> Arrival | Outcome:
        """The event as it is to be decided once more: only if it was rejected, or waits."""
        before = self._page.seen.find(identity(envelope.tenant_id, envelope.event_id))
        if before is None or before.status == "rejected":
            return again
        payload = payload_hash(envelope.event_type, envelope.data)
        if before.status == "parked" and before.payload_hash == payload:
            row = self._parking.take_event(envelope.tenant_id, envelope.event_id)
            if row is not None:
                return replace(_again(again, row), redriven=True)
        return Outcome("duplicate", f"was {before.status}")

    # -- writing down -------------------------------------------------------------------------

    def _settle(self, arrival: Arrival, step: int, envelope: Envelope, outcome: Outcome) -> None:
        known = identity(envelope.tenant_id, envelope.event_id)
        payload = payload_hash(envelope.event_type, envelope.data)
        page = self._page
        page.remember(known, payload, arrival.ingress, outcome)
        if outcome.status != "parked" and envelope.timestamp_ms < page.now_ms - WINDOW_MS:
            key = Looked.key_of(envelope.tenant_id, envelope.event_id)
            if page.working.get(key) is not None:
                page.working.put(key, None)
        page.write(arrival, step, envelope, outcome)


def _again(arrival: Arrival, row: Parked) -> Arrival:
    """A parked event in the place of what set it in motion."""
    return replace(
        arrival,
        ingress=row.ingress,
        received_ms=row.received_ms,
        raw=row.raw,
        redriven=row.redriven,
    )


def _readable(raw: bytes) -> Envelope:
    envelope = read(raw)
    assert isinstance(envelope, Envelope)
    return envelope

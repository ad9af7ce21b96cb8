"""The fold: one envelope after the other becomes entries and rows. Pure; same log, same result.

Order of the checks, which is the order of the reasons: door's own refusal, JSON, envelope, type,
ingress, duplicate or conflict, and then agents/judge.py. What follows an event in the same place is
in agents/steps.py.
"""

from msgspec.structs import replace

from agents.apply import json_reply
from agents.judge import Judge, door
from agents.outcomes import (
    BARE,
    FUTURE_MS,
    SYSTEM_TENANT,
    WINDOW_MS,
    Arrival,
    Outcome,
)
from agents.page import Page
from agents.parking import Parking
from agents.registry import HANDLED
from agents.steps import STEPS_BYTES, Steps
from streams import strict_json
from streams.envelope import Envelope, Refusal, read
from streams.ids import identity, payload_hash
from streams.journal import Entry, Image, Reply
from tables.memory import StoredReply, reply_key
from tables.seen import Seen
from tables.working_set import WorkingSet

__all__ = ["FUTURE_MS", "SYSTEM_TENANT", "WINDOW_MS", "Arrival", "Fold"]


class Fold:
    """Decides the envelopes of one partition in order, on its working set."""

    def __init__(
        self, working: WorkingSet, seen: Seen, *, partition: int, partitions: int, now_ms: int = 0
    ) -> None:
        self.working, self.seen = working, seen
        self.parking = Parking(working)
        self._page = Page(working, seen, now_ms)
        self._judge = Judge(self._page, self.parking, partition, partitions)
        self._steps = Steps(self._page, self._judge, self.parking)

    @property
    def now_ms(self) -> int:
        """Log time: the greatest `received_at` so far."""
        return self._page.now_ms

    @now_ms.setter
    def now_ms(self, now_ms: int) -> None:
        self._page.now_ms = now_ms

    @property
    def entries(self) -> list[Entry]:
        """What was decided since the last record."""
        return self._page.entries

    @property
    def size_bytes(self) -> int:
        """About the bytes of the record so far, entries and images."""
        return self._page.size_bytes

    @property
    def failing(self) -> dict[str, Exception]:
        """Tenants whose handlers raised, without a success since, and what: no part of the log."""
        return self._judge.failing

    def raised(self, places: dict[tuple[int, int, int], str]) -> None:
        """Of a replay's next record: where handlers raised when it was decided, and what."""
        self._judge.raised = places

    # -- a micro-batch ------------------------------------------------------------------------

    def begin(self, seq: int) -> None:
        """Start the journal record `seq`."""
        self._page.begin(seq)

    def close(self) -> tuple[list[Entry], list[Image]]:
        """End the record: its entries and images; `working.digest` is then up to date."""
        return self._page.close()

    # -- one envelope -------------------------------------------------------------------------

    def decide(self, arrival: Arrival, *, checked: bool = False) -> None:
        """Decide one envelope and what it releases; `checked` if its JSON is known to be strict."""
        page = self._page
        if arrival.received_ms < page.now_ms:
            # Log time, not the broker's clock, is what a replay has.
            arrival = replace(arrival, received_ms=page.now_ms)
        page.now_ms = arrival.received_ms
        spent_bytes = page.spent_bytes
        if arrival.refused:
            page.write(arrival, 0, BARE, Outcome("rejected", arrival.refused))
            return
        bad = None if checked else strict_json.check(arrival.raw)
        envelope = Refusal(bad, "") if bad else read(arrival.raw)
        if isinstance(envelope, Refusal):
            page.write(arrival, 0, BARE, Outcome("rejected", str(envelope)))
            return
        advances = self._envelope(arrival, envelope)
        tick = envelope.event_type == "treasury.clock.ticked" and arrival.ingress == "internal"
        tick = tick or advances
        if tick or self.parking.releasing:
            self._steps.follow(arrival, tick=tick, until_bytes=spent_bytes + STEPS_BYTES)

    def _envelope(self, arrival: Arrival, envelope: Envelope) -> bool:
        """Decide it; whether a tenant's clock is put forward by it."""
        page, handled = self._page, HANDLED.get(envelope.event_type)
        refusal = door(arrival, envelope, handled)
        if refusal:
            page.write(arrival, 0, envelope, Outcome("rejected", refusal))
            return False
        assert handled is not None
        known = identity(envelope.tenant_id, envelope.event_id)
        payload = payload_hash(envelope.event_type, envelope.data)
        before = self.seen.find(known)
        if before is not None:
            page.write(arrival, 0, envelope, self._again(known, before.payload_hash == payload))
            return False
        outcome = self._judge.first_time(arrival, envelope, handled, step=0)
        page.remember(known, payload, arrival.ingress, outcome)
        page.write(arrival, 0, envelope, outcome)
        if outcome.draft is None:
            return False
        if outcome.draft.redrive is not None:
            self._steps.redrive(arrival, outcome.draft.redrive)
        return outcome.draft.advances

    def _again(self, known: bytes, same_payload: bool) -> Outcome:
        if not same_payload:
            reply = json_reply(422, {"code": "conflict", "detail": "same id, other payload"})
            return Outcome("rejected", "conflict", reply=reply)
        stored = self.working.get(reply_key(known))
        if isinstance(stored, StoredReply):
            return Outcome("duplicate", reply=Reply(stored.status, stored.body))
        return Outcome("duplicate")

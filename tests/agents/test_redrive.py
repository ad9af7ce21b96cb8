"""Deciding a dead letter once more: only what was rejected, and by all the rules it was under."""

import base64
import json
from typing import Any

import pytest

from agents.decide import FUTURE_MS, WINDOW_MS
from agents.effects import Emit
from agents.parking import DEADLINE_MS
from streams.journal import Entry
from tables.memory import Due, Looked, Parked, TenantLoad
from tests.agents.core import Core, envelope
from tests.agents.handlers import tenant_of

pytestmark = pytest.mark.usefixtures("test_handlers")


def redrive(core: Core, raw: bytes, *, attempt: int = 1, ingress: str = "nats") -> list[Entry]:
    data: dict[str, Any] = {
        "event_id": "e",
        "attempt": attempt,
        "ingress": ingress,
        "raw": base64.b64encode(raw).decode(),
    }
    return core.event("treasury.redrive.requested", "t", data, ingress="internal")


def too_large(core: Core, event_id: str) -> bytes:
    """An event that a door refused, and that could be carried out."""
    raw = envelope("test.raises", "t", {"text": "well"}, event_id=event_id)
    core.send(raw, refused="too_large")
    return raw


class TestRedrive:
    def test_decides_a_rejected_event_again(self, core, monkeypatch):
        core.event("test.raises", "t", {"text": "badly"})
        raw = core.arrivals[-1].raw
        assert redrive(core, raw)[1].status == "rejected"
        monkeypatch.setattr("tests.agents.handlers.RuntimeError", ValueError, raising=False)
        entries = redrive(core, raw, attempt=2)
        assert (entries[0].status, entries[1].reason) == ("applied", "internal: ValueError")
        assert entries[1].step == 1
        assert entries[1].raw == raw

    def test_applies_what_can_be_applied_now_and_then_no_more(self, core):
        core.event("pos.order.completed", "t", {"order_id": "o", "total_amount": 5}, event_id="x")
        raw = envelope(
            "pos.order.completed", "t", {"order_id": "o", "total_amount": 7}, event_id="y"
        )
        assert core.send(raw)[0].reason == "order_already_sold"
        assert redrive(core, raw)[1].reason == "order_already_sold"
        applied = core.arrivals[1].raw
        entries = redrive(core, applied)
        assert (entries[1].status, entries[1].reason) == ("duplicate", "was applied")

    def test_what_was_applied_by_a_redrive_is_a_duplicate_from_then_on(self, core):
        raw = envelope(
            "cafe.order.created", "u", {"order_id": "o", "total_amount": 5}, event_id="y"
        )
        core.send(raw, refused="too_large")
        core.tenant("u")
        assert redrive(core, raw)[1].status == "applied"
        assert core.send(raw)[0].status == "duplicate"
        assert redrive(core, raw, attempt=2)[1].status == "duplicate"

    def test_never_lets_in_what_its_door_refused(self, core):
        forged = {"call_id": "c", "nonce": "n", "outcome": "succeeded"}
        core.event("treasury.call.completed", "t", forged)
        entries = redrive(core, core.arrivals[-1].raw)
        assert (entries[1].status, entries[1].reason) == ("rejected", "ingress_not_allowed")

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (b'{"event_id":"a","event_id":"b"}', "duplicate_key"),
            (b"{", "not_json"),
            (b"{}", "missing_member: event_id"),
        ],
    )
    def test_says_why_bytes_cannot_be_decided(self, core, raw, reason):
        entries = redrive(core, raw)
        assert (entries[1].status, entries[1].reason) == ("rejected", reason)
        assert entries[1].raw == raw

    def test_refuses_a_door_that_does_not_exist(self, core):
        [entry] = redrive(core, b"{}", ingress="window")
        assert entry.reason == "ingress_unknown"

    def test_waits_like_any_event_when_its_tenant_is_frozen(self, core):
        core.event("test.raises", "t", {"text": "badly"})
        raw = core.arrivals[-1].raw
        core.event("test.freezes", "t")
        assert redrive(core, raw)[1].status == "parked"
        assert tenant_of(core, "t").status == "frozen"

    def test_asks_of_a_letter_older_than_the_window_whether_it_was_carried_out(self, core):
        raw = too_large(core, "w")
        core.now_ms += WINDOW_MS + FUTURE_MS + 1
        core.tick()
        parked = redrive(core, raw)[1]
        [call] = parked.calls
        assert (parked.reason, call.operation) == ("awaiting_archive", "seen")
        assert json.loads(call.request) == {"event_id": parked.event_id, "redriven": True}
        answer = {"event_id": parked.event_id, "seen": False, "redriven": True}
        entries = core.event("treasury.lookup.answered", "t", answer, ingress="internal")
        assert [entry.status for entry in entries] == ["applied", "applied"]

    def test_of_a_second_question_leaves_no_answer_behind(self, core):
        raw = too_large(core, "w")
        core.now_ms += WINDOW_MS + FUTURE_MS + 1
        core.tick()
        for attempt in (1, 2):
            assert redrive(core, raw, attempt=attempt)[1].reason == "awaiting_archive"
        answer = {"event_id": "w", "seen": False, "redriven": True}
        answered = [
            core.event("treasury.lookup.answered", "t", answer, ingress="internal")
            for _ in range(2)
        ]
        assert [[entry.status for entry in entries] for entries in answered] == [
            ["applied", "applied"],
            ["applied"],
        ]
        assert core.rows(Looked) == []
        core.now_ms += WINDOW_MS + FUTURE_MS + 1
        core.tick()
        assert core.send(raw)[0].reason == "awaiting_archive"

    def test_waits_for_the_answer_to_its_own_question(self, core):
        at_ms = core.now_ms - WINDOW_MS - 1
        core.event("test.raises", "t", {"text": "well"}, timestamp_ms=at_ms, event_id="w")
        raw = core.arrivals[-1].raw
        assert redrive(core, raw)[1].reason == "awaiting_archive"
        for redriven, statuses in ((False, ["applied"]), (True, ["applied", "applied"])):
            answer = {"event_id": "w", "seen": not redriven, "redriven": redriven}
            entries = core.event("treasury.lookup.answered", "t", answer, ingress="internal")
            assert [entry.status for entry in entries] == statuses

    def test_is_still_one_when_it_waited_for_something_else_before_the_archive(self, core):
        core.event("test.waits", "t", {"text": "bar"}, event_id="w")
        raw = core.arrivals[-1].raw
        core.tick(DEADLINE_MS)
        assert core.entries[-1].reason.startswith("deadline")
        core.now_ms += WINDOW_MS - DEADLINE_MS
        assert redrive(core, raw)[1].reason == "outlet_unknown"
        core.now_ms += 1
        entries = core.event("auth.outlet.created", "t", {"outlet_id": "bar"})
        [call] = entries[1].calls
        assert json.loads(call.request) == {"event_id": "w", "redriven": True}

    def test_takes_a_waiting_event_from_its_place(self, core):
        core.event("test.waits", "t", {"text": "bar"}, event_id="a")
        first = core.arrivals[-1].raw
        core.event("test.waits", "t", {"text": "bar"}, event_id="b")
        entries = redrive(core, first)
        assert (entries[1].status, entries[1].reason) == ("parked", "outlet_unknown")
        assert len(core.rows(Parked)) == 2
        [load] = core.rows(TenantLoad)
        assert (load.events, load.size_bytes) == (2, sum(len(r.raw) for r in core.rows(Parked)))
        assert len([row for row in core.rows(Due) if row.kind == "parked"]) == 2
        entries = core.event("auth.outlet.created", "t", {"outlet_id": "bar"})
        assert [entry.event_id for entry in entries[1:]] == ["b", "a"]

    def test_decides_a_waiting_event_that_needs_to_wait_no_more(self, core, monkeypatch):
        core.event("test.waits", "t", {"text": "bar"}, event_id="a")
        raw = core.arrivals[-1].raw
        monkeypatch.setattr("tests.agents.handlers.Park", lambda *_: Emit("treasury.test.done", {}))
        entries = redrive(core, raw)
        assert (entries[1].status, entries[1].step) == ("applied", 1)
        assert core.rows(Parked) + core.rows(TenantLoad) == []
        assert redrive(core, raw, attempt=2)[1].reason == "was applied"
        assert core.send(raw)[0].status == "duplicate"

    def test_of_another_payload_leaves_the_waiting_event_alone(self, core):
        core.event("test.waits", "t", {"text": "bar"}, event_id="a")
        other = envelope("test.waits", "t", {"text": "other"}, event_id="a")
        assert redrive(core, other)[1].reason == "was parked"
        assert len(core.rows(Parked)) == 1

    def test_an_event_that_waits_for_its_tenant_stays_in_its_place(self, core):
        core.order("u", "o")
        entries = redrive(core, core.arrivals[-1].raw)
        assert (entries[1].status, entries[1].reason) == ("duplicate", "was parked")
        assert [entry.status for entry in core.tenant("u")] == ["applied", "applied"]

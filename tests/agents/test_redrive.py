"""Deciding a dead letter once more: only what was rejected, and by all the rules it was under."""

import base64
from typing import Any

import pytest

from streams.journal import Entry
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

    def test_a_waiting_event_stays_in_its_place(self, core):
        core.order("u", "o")
        entries = redrive(core, core.arrivals[-1].raw)
        assert (entries[1].status, entries[1].reason) == ("duplicate", "was parked")
        assert [entry.status for entry in core.tenant("u")] == ["applied", "applied"]

"""What the clock sets in motion: holds, calls, intents, and moments in general."""

import json

import pytest

from agents.commands.payments import (
    CONFIRM,
    CREATE_INTENT,
    INTENT_LIFETIME_MS,
)
from agents.effects import CALL_DEADLINE_MS, CALL_FINAL_AFTER_MS
from agents.steps import STEPS_PER_EVENT
from tables.balances import Balance, Hold
from tables.memory import Due
from tables.payments import GatewayCall, Payment
from tests.agents.core import Core

pytestmark = pytest.mark.usefixtures("test_handlers")


def cash(core: Core) -> Balance:
    [row] = [row for row in core.rows(Balance) if row.account == "cash"]
    return row


class TestHolds:
    def test_reserve_on_the_side_they_are_for(self, core):
        core.event("test.holds", "t", {"text": "a", "minor": 500})
        core.event("test.holds", "t", {"text": "b", "minor": -300})
        assert (cash(core).pending_debits, cash(core).pending_credits) == (500, 300)

    @pytest.mark.parametrize(("captured", "status"), [(-300, "captured"), (0, "released")])
    def test_end_once_captured_or_released(self, core, captured, status):
        core.event("test.holds", "t", {"text": "a", "minor": -300})
        core.event("test.ends", "t", {"text": "a", "minor": abs(captured)})
        [hold] = core.rows(Hold)
        assert (hold.status, hold.captured) == (status, abs(captured))
        assert (cash(core).pending_credits, cash(core).credits) == (0, abs(captured))
        core.event("test.ends", "t", {"text": "a"})
        assert core.entries[-1].reason == "internal: ValueError"

    def test_release_all_when_a_part_is_captured(self, core):
        core.event("test.holds", "t", {"text": "a", "minor": -300})
        core.event("test.ends", "t", {"text": "a", "minor": 100})
        assert (cash(core).pending_credits, cash(core).credits) == (0, 100)

    def test_never_capture_more_than_was_held(self, core):
        core.event("test.holds", "t", {"text": "a", "minor": -300})
        core.event("test.ends", "t", {"text": "a", "minor": 301})
        assert core.entries[-1].status == "rejected"
        assert cash(core).pending_credits == 300

    def test_are_released_by_the_clock(self, core):
        core.event("test.holds", "t", {"text": "a", "minor": -300})
        core.tick(59_999)
        assert cash(core).pending_credits == 300
        core.tick(1)
        assert cash(core).pending_credits == 0
        assert core.rows(Hold)[0].status == "expired"
        assert core.rows(Due) == []


class TestMoments:
    def test_come_in_the_order_of_their_time(self, core):
        for subject, after_ms in (("c", 30), ("a", 10), ("b", 20)):
            core.event("test.schedules", "t", {"text": subject, "minor": after_ms})
        entries = core.tick(25)
        subjects = [json.loads(e.emitted[0].body)["data"]["subject"] for e in entries[1:]]
        assert subjects == ["a", "b"]
        assert [row.subject for row in core.rows(Due)] == ["c"]

    def test_come_once(self, core):
        core.event("test.schedules", "t", {"text": "a", "minor": 10})
        assert len(core.tick(10)) == 2
        assert len(core.tick(10)) == 1

    def test_a_repeated_tick_does_nothing(self, core):
        core.event("test.schedules", "t", {"text": "a", "minor": 10})
        core.tick(10)
        [entry] = core.send(core.arrivals[-1].raw, ingress="internal")
        assert entry.status == "duplicate"

    def test_are_bounded_per_tick(self, core):
        many = STEPS_PER_EVENT // 2 + 1
        for number in range(many):
            core.event("test.schedules", "t", {"text": f"{number}", "minor": 10})
        assert len(core.tick(10)) == many
        assert core.fold.parking.more_to_do
        assert len(core.tick()) == 2
        assert not core.fold.parking.more_to_do

    def test_are_not_left_to_do_when_none_is_due(self, core):
        many = STEPS_PER_EVENT // 2
        for number in range(many):
            core.event("test.schedules", "t", {"text": f"{number}", "minor": 10})
        core.event("test.schedules", "t", {"text": "later", "minor": 1_000})
        core.tick(10)
        core.tick()
        assert not core.fold.parking.more_to_do

    def test_that_raise_are_written_down_and_gone(self, core):
        core.event("test.schedules", "t", {"text": "raise", "minor": 10})
        entries = core.tick(10)
        assert (entries[1].status, entries[1].reason) == ("rejected", "internal: RuntimeError")
        assert core.rows(Due) == []


class TestPaymentsAndTheClock:
    def intent(self, core: Core) -> str:
        core.event(CREATE_INTENT, "t", {"amount": "5"}, event_id="i", ingress="http")
        return core.rows(Payment)[0].payment_id

    def confirmed(self, core: Core) -> str:
        payment_id = self.intent(core)
        data = {"payment_id": payment_id, "method": "instant"}
        core.event(CONFIRM, "t", data, event_id="c", ingress="http")
        return core.rows(GatewayCall)[0].call_id

    def grant(self, core: Core, call_id: str, nonce: str = "n") -> str:
        data = {"call_id": call_id, "nonce": nonce, "valid_for_ms": 5_000}
        return core.event("treasury.call.granted", "t", data, ingress="internal")[0].status

    def answer(self, core: Core, call_id: str, outcome: str, nonce: str = "n") -> str:
        data = {"call_id": call_id, "nonce": nonce, "outcome": outcome, "amount": "5.00"}
        return core.event("treasury.call.completed", "t", data, ingress="internal")[0].status

    def test_an_intent_nobody_confirms_expires(self, core):
        self.intent(core)
        core.tick(INTENT_LIFETIME_MS)
        assert core.rows(Payment)[0].status == "expired"

    def test_a_call_nobody_asks_for_fails_and_can_be_tried_again(self, core):
        self.confirmed(core)
        entries = core.tick(CALL_DEADLINE_MS)
        assert core.rows(Payment)[0].status == "requires_action"
        assert [item.event_type for item in entries[1].emitted] == ["treasury.payment.failed"]

    def test_a_call_is_granted_to_one_only(self, core):
        call_id = self.confirmed(core)
        assert self.grant(core, call_id, "mine") == "applied"
        assert self.grant(core, call_id, "yours") == "rejected"
        assert self.answer(core, call_id, "succeeded", "yours") == "rejected"
        assert self.answer(core, call_id, "succeeded", "mine") == "applied"

    def test_a_granted_call_without_an_answer_is_unknown_and_a_late_success_counts(self, core):
        call_id = self.confirmed(core)
        self.grant(core, call_id)
        entries = core.tick(5_000 + CALL_FINAL_AFTER_MS)
        assert core.rows(GatewayCall)[0].status == "unknown"
        assert core.rows(Payment)[0].status == "processing"
        assert entries[1].emitted[0].event_type == "treasury.reconciliation.exception"
        self.answer(core, call_id, "succeeded")
        assert core.rows(Payment)[0].status == "succeeded"

    def test_an_intent_in_flight_does_not_expire(self, core):
        call_id = self.confirmed(core)
        self.grant(core, call_id)
        core.tick(INTENT_LIFETIME_MS)
        assert core.rows(Payment)[0].status == "processing"
        self.answer(core, call_id, "failed")
        assert core.rows(Payment)[0].status == "expired"
        told = [item.event_type for item in core.entries[-1].emitted]
        assert told == ["treasury.payment.failed", "treasury.payment.ended"]

    def test_a_second_success_of_one_payment_is_not_lost(self, core):
        call_id = self.confirmed(core)
        self.grant(core, call_id)
        self.answer(core, call_id, "failed")
        data = {"payment_id": core.rows(Payment)[0].payment_id, "method": "cash"}
        core.event(CONFIRM, "t", data, event_id="c2", ingress="http")
        assert core.rows(Payment)[0].status == "succeeded"
        self.answer(core, call_id, "succeeded")
        posted = {row.account: row.posted for row in core.rows(Balance)}
        assert posted["gateway:instant:collection"] == 500
        assert posted["cash:drawer:main"] == 500

"""Calls to gateways: where an attempt goes, and what becomes of one that nobody knows of."""

import pytest

from tables.payments import Case, GatewayCall, Payment
from tables.payouts import Payout
from tests.agents.accounting.shop import PHONE, UTILITY, Shop


@pytest.fixture
def shop() -> Shop:
    return Shop()


class TestWhatAGatewaySays:
    @pytest.mark.parametrize("outcome", ["failed", "unknown", "succeeded"])
    def test_is_on_the_attempt_as_it_came(self, shop, outcome):
        call = shop.call(shop.confirmed())
        said = {"failure": "cancelled_by_payer", "detail": "1032: Request cancelled by user"}
        shop.gateway(call.call_id, outcome, **said, provider_reference="TCA1", amount="1160")
        call = shop.row(GatewayCall, call.call_id)
        assert call.detail == "1032: Request cancelled by user"
        assert call.failure == ("cancelled_by_payer" if outcome == "failed" else "")


class TestCallsThatNobodyKnowsOf:
    def unknown(self, shop) -> Payout:
        payout = shop.paid_out()
        shop.gateway(payout.call_id, "unknown")
        return shop.row(Payout, payout.payout_id)

    def resolve(self, shop, payout, outcome, *, actor="bob", **more):
        wish = {"call_id": payout.call_id, "outcome": outcome, "actor": actor, **more}
        return shop.command("call.resolve", **wish)

    def test_are_cases_of_no_money_until_their_outcome_is_said(self, shop):
        payout = self.unknown(shop)
        [case] = shop.rows(Case)
        assert (case.kind, case.status) == ("call_unknown", "open")
        assert (case.amount, case.asset) == (0, "KES")
        assert (case.case_id, case.call_id) == (payout.call_id, payout.call_id)
        said = shop.emitted("reconciliation.exception")[-1]
        assert (said["kind"], said["case_id"]) == ("call_unknown", case.case_id)
        self.resolve(shop, payout, "failed")
        [case] = shop.rows(Case)
        assert (case.status, case.resolution) == ("closed", "failed")

    def test_are_closed_by_the_providers_late_word(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.gateway(call.call_id, "unknown")
        [case] = shop.rows(Case)
        assert (case.payment_id, case.status) == (payment_id, "open")
        assert shop.row(Payment, payment_id).status == "processing"
        shop.gateway(call.call_id, provider_reference="TCA1", amount="1160")
        [case] = shop.rows(Case)
        assert (case.status, case.resolution) == ("closed", "succeeded")

    def test_have_no_money_to_place(self, shop):
        payout = self.unknown(shop)
        home = {"case_id": payout.call_id, "customer_id": "c"}
        assert shop.refused("case.resolve", **home) == "case_of_a_call"

    def test_somebody_else_says_that_it_was_paid(self, shop):
        payout = self.unknown(shop)
        status, body = self.resolve(shop, payout, "succeeded", provider_reference="TCB1")
        assert (status, body["status"], body["outcome"]) == (200, "done", "succeeded")
        assert shop.row(Payout, payout.payout_id).status == "completed"
        assert shop.balances[UTILITY] == 50_000

    def test_or_that_it_was_not_and_it_is_owed_again(self, shop):
        payout = self.unknown(shop)
        status, body = self.resolve(shop, payout, "failed", reason="not on the statement")
        assert (status, body["failure"]) == (200, "not on the statement")
        assert shop.row(Payout, payout.payout_id).status == "failed"
        assert shop.balances.get("payout:pending", 0) == 0

    def test_what_the_provider_says_later_still_counts(self, shop):
        payout = self.unknown(shop)
        self.resolve(shop, payout, "failed")
        shop.answer(payout.call_id, provider_reference="TCB1", amount="500.00")
        assert shop.row(Payout, payout.payout_id).status == "completed"

    @pytest.mark.parametrize(
        ("outcome", "actor", "reason"),
        [("failed", "ann", "same_person"), ("succeeded", "bob", "provider_reference_missing")],
    )
    def test_not_who_asked_for_it_and_not_without_a_reference(self, shop, outcome, actor, reason):
        status, body = self.resolve(shop, self.unknown(shop), outcome, actor=actor)
        assert status >= 400
        assert body["code"] == reason

    def test_only_what_is_unknown_is_for_people(self, shop):
        payout = shop.paid_out()
        assert self.resolve(shop, payout, "failed")[1]["code"] == "call_requested"
        assert shop.refused("call.resolve", call_id="x", outcome="failed") == "call_unknown"

    def test_not_under_the_reference_of_other_money(self, shop):
        shop.deposit("TCA7", "of somebody else")
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.gateway(call.call_id, "unknown")
        wish = {"call_id": call.call_id, "outcome": "succeeded", "provider_reference": "tca7"}
        assert shop.refused("call.resolve", **wish) == "receipt_already_counted"
        shop.answer(call.call_id, provider_reference="TCA8", amount="1160.00")
        assert shop.row(Payment, payment_id).status == "succeeded"

    def test_a_receipt_counts_however_it_is_typed(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.gateway(call.call_id, "unknown")
        wish = {"call_id": call.call_id, "outcome": "succeeded", "provider_reference": " tca1 "}
        shop.done("call.resolve", **wish)
        shop.deposit("TCA1", call.code)
        assert shop.money() == (116_000, 0, 0)

    def test_are_known_once_their_money_comes_by_another_way(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.gateway(call.call_id, "unknown")
        shop.deposit("TCA1", call.code)
        assert shop.row(GatewayCall, call.call_id).outcome == "succeeded"
        assert [case.status for case in shop.rows(Case)] == ["closed"]
        shop.answer(call.call_id)
        assert shop.money() == (116_000, 0, 0)

    def test_are_not_asked_about_whose_money_is_here(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.deposit("TCA1", call.code)
        shop.gateway(call.call_id, "unknown")
        assert shop.row(GatewayCall, call.call_id).outcome == "succeeded"
        assert shop.rows(Case) == []

    def test_a_payers_payment_too(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.gateway(call.call_id, "unknown")
        wish = {"call_id": call.call_id, "outcome": "succeeded", "provider_reference": "TCA1"}
        shop.done("call.resolve", **wish)
        assert shop.row(Payment, payment_id).status == "succeeded"
        shop.deposit("TCA1", call.code)
        assert shop.money() == (116_000, 0, 0)


class TestWhereAnAttemptGoes:
    def grant(self, shop, payment_id, **choice):
        call = shop.call(payment_id)
        about = {"call_id": call.call_id, "nonce": f"n-{call.call_id}", "valid_for_ms": 5_000}
        return shop.told("treasury.call.granted", about | choice)

    def test_the_choice_and_its_reason_are_journaled_and_shown(self, shop):
        payment_id = shop.confirmed("card")
        self.grant(shop, payment_id, gateway="instant", reason="preferred_open")
        payment, call = shop.row(Payment, payment_id), shop.call(payment_id)
        assert (payment.provider, payment.routed) == ("instant", "preferred_open")
        assert (call.gateway, call.routed) == ("instant", "preferred_open")

    def test_no_other_gateway_than_the_methods_own_gets_it(self, shop):
        payment_id = shop.confirmed("card")
        entry = self.grant(shop, payment_id, gateway="paypal", reason="preferred")
        assert entry.reason.startswith("gateway_not_allowed")
        assert shop.call(payment_id).status == "requested"

    def test_one_that_did_not_begin_leaves_it_to_the_next(self, shop):
        payment_id = shop.confirmed("card")
        first = shop.call(payment_id)
        shop.gateway(first.call_id, "failed", failure="not_reached")
        second = shop.call(payment_id)
        assert (second.gateway, second.gateways) == ("instant", ("instant",))
        payment = shop.row(Payment, payment_id)
        assert (payment.status, payment.attempt) == ("processing", 2)
        assert shop.emitted("payment.failed") == []
        shop.gateway(second.call_id, "failed", failure="not_reached")
        assert shop.row(Payment, payment_id).status == "requires_action"
        assert len(shop.emitted("payment.failed")) == 1

    @pytest.mark.parametrize("failure", ["declined", "not_sent", "gateway_unavailable", "refused"])
    def test_one_that_may_have_begun_or_was_declined_does_not(self, shop, failure):
        payment_id = shop.confirmed("card")
        shop.gateway(shop.call(payment_id).call_id, "failed", failure=failure)
        assert shop.row(Payment, payment_id).status == "requires_action"

    def test_an_unknown_outcome_is_never_left_to_another(self, shop):
        payment_id = shop.confirmed("card")
        shop.gateway(shop.call(payment_id).call_id, "unknown")
        assert shop.row(Payment, payment_id).status == "processing"

    def test_a_tenant_orders_gateways_as_it_likes(self, shop):
        shop.done("settings.change", settings={"gateways": {"card": ["instant"]}})
        payment_id = shop.confirmed("card")
        assert shop.call(payment_id).gateways == ("instant",)

    @pytest.mark.parametrize(
        ("gateways", "reason"),
        [
            ({"cowries": ["instant"]}, "method_unknown"),
            ({"card": ["mpesa"]}, "provider_unknown"),
            ({"card": []}, "provider_unknown"),
            ({"card": ["stripe", "stripe"]}, "provider_unknown"),
        ],
    )
    def test_what_cannot_be_ordered_is_refused(self, shop, gateways, reason):
        assert shop.refused("settings.change", settings={"gateways": gateways}) == reason

    @pytest.mark.parametrize(
        ("amount", "phone", "reason"),
        [
            ("10.50", PHONE, "whole_shillings_only"),
            ("250001", PHONE, "amount_out_of_bounds"),
            ("10", "", "phone_unfit"),
            ("10", "+255712345678", "phone_unfit"),
        ],
    )
    def test_what_mpesa_can_never_take_is_refused_before_any_attempt(
        self, shop, amount, phone, reason
    ):
        payment_id = shop.intent(amount=amount)
        wish = {"payment_id": payment_id, "method": "mpesa", "phone": phone}
        assert shop.refused("payment.confirm", **wish) == reason
        assert shop.row(Payment, payment_id).status == "requires_action"


class TestPayersWhoTakeTheirTime:
    def begun(self, shop, has_s=3_600) -> str:
        payment_id = shop.confirmed("card")
        call_id = shop.call(payment_id).call_id
        grant = {"call_id": call_id, "nonce": "n", "valid_for_ms": 5_000}
        shop.told("treasury.call.granted", grant)
        about = {"call_id": call_id, "nonce": "n", "handle": "pi_1", "payer_action": "secret_1"}
        entry = shop.told("treasury.call.begun", about | {"payer_has_s": has_s})
        assert entry.status == "applied", entry.reason
        return payment_id

    def test_what_the_payer_needs_is_shown_until_it_is_over(self, shop):
        payment_id = self.begun(shop)
        assert shop.row(Payment, payment_id).next_action == "secret_1"
        call = shop.call(payment_id)
        done = {"call_id": call.call_id, "nonce": "n", "outcome": "succeeded"}
        shop.told("treasury.call.completed", done | {"provider_reference": "pi_1"})
        payment = shop.row(Payment, payment_id)
        assert (payment.status, payment.next_action) == ("succeeded", "")

    def test_the_clock_gives_the_payer_time(self, shop):
        payment_id = self.begun(shop)
        shop.until("2026-03-02T06:50:00Z")
        assert shop.call(payment_id).status == "granted"
        shop.until("2026-03-02T07:10:00Z")
        assert shop.call(payment_id).status == "unknown"

    def test_only_who_has_the_grant_says_so(self, shop):
        payment_id = shop.confirmed("card")
        about = {"call_id": shop.call(payment_id).call_id, "nonce": "x"}
        more = {"handle": "", "payer_action": "https://evil.example", "payer_has_s": 1}
        assert shop.told("treasury.call.begun", about | more).reason.startswith("call_unknown")

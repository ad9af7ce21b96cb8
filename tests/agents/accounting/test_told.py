"""What gateways tell by themselves: money that nobody asked for, receipts that come late, disputes,
payouts that come back.
"""

import pytest

from agents.accounting.codes import code_for, meant
from agents.registry import View
from tables.invoices import Invoice
from tables.payments import (
    Case,
    Dispute,
    GatewayCall,
    Payment,
    ProviderBalance,
    Reference,
    Refund,
)
from tables.payouts import Payout
from tables.settlements import Settlement
from tests.agents.accounting.shop import MPESA, PHONE, UTILITY, Shop
from tests.agents.accounting.statement_files import read


@pytest.fixture
def shop() -> Shop:
    return Shop()


class TestDeposits:
    def test_money_with_a_payments_code_is_that_payments(self, shop):
        payment_id = shop.confirmed()
        shop.deposit("TCA1", shop.call(payment_id).code)
        payment = shop.row(Payment, payment_id)
        assert (payment.status, payment.provider_reference) == ("succeeded", "TCA1")
        assert shop.row(Invoice, shop.invoice.invoice_id).status == "paid"
        assert shop.money() == (116_000, 0, 0)

    @pytest.mark.parametrize("written", ["o", " o "])
    def test_an_orders_own_id_pays_its_invoice(self, shop, written):
        shop.deposit("TCA1", written)
        assert shop.row(Invoice, shop.invoice.invoice_id).status == "paid"
        [payment] = shop.rows(Payment)
        assert (payment.method, payment.metadata["payer"]) == ("mpesa", "2547 *** 149")
        assert (payment.invoice_id, payment.customer_id) == (shop.invoice.invoice_id, "c")
        [said] = shop.emitted("payment.success")
        assert (said["order_id"], said["provider_reference"]) == ("o", "TCA1")

    def test_an_invoices_own_id_pays_a_part_of_it(self, shop):
        shop.deposit("TCA1", shop.invoice.invoice_id, "100.00")
        assert shop.row(Invoice, shop.invoice.invoice_id).status == "partially_paid"
        assert shop.money() == (10_000, 106_000, 0)

    @pytest.mark.parametrize("written", ["", "rent for june", "O0O0O0O0"])
    def test_what_means_nothing_waits_in_suspense(self, shop, written):
        shop.deposit("TCA1", written)
        [case] = shop.rows(Case)
        assert (case.kind, case.amount) == ("unmatched_payment", 116_000)
        assert shop.money() == (116_000, 116_000, 116_000)

    def test_a_receipt_counts_once_however_often_it_is_told(self, shop):
        payment_id = shop.confirmed()
        code = shop.call(payment_id).code
        shop.deposit("TCA1", code)
        shop.deposit("TCA1", code)
        shop.gateway(shop.call(payment_id).call_id, provider_reference="TCA1", amount="1160")
        assert shop.money() == (116_000, 0, 0)
        assert len(shop.emitted("payment.success")) == 1

    def test_a_second_receipt_for_one_code_is_more_money(self, shop):
        payment_id = shop.confirmed()
        code = shop.call(payment_id).code
        shop.deposit("TCA1", code)
        shop.deposit("TCA2", code, "60.00")
        assert shop.row(Payment, payment_id).received == 122_000
        assert shop.balances[MPESA] == 122_000
        assert shop.balances["customer:credit"] == -6_000

    def test_each_receipt_of_one_code_is_told(self, shop):
        payment_id = shop.confirmed()
        code = shop.call(payment_id).code
        for receipt, amount in (("TCA1", "400.00"), ("TCA2", "760.00"), ("TCA3", "1.00")):
            shop.deposit(receipt, code, amount)
        told = [
            (said["payment_id"], said["amount"], said["provider_reference"], said["late"])
            for said in shop.emitted("payment.success")
        ]
        parts = (400, "TCA1", False), (760, "TCA2", False), (1, "TCA3", True)
        assert told == [(payment_id, *part) for part in parts]

    def test_money_for_a_payment_that_was_given_up_counts(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.gateway(call.call_id, "failed", failure="cancelled_by_payer")
        shop.done("payment.cancel", payment_id=payment_id)
        shop.deposit("TCA1", call.code)
        assert shop.row(Payment, payment_id).status == "succeeded"
        assert shop.money() == (116_000, 0, 0)


class TestReceiptsThatComeLate:
    """An STK query says "paid" and names no receipt; the confirmation names it, before or after."""

    def test_told_after_the_money_was_counted_it_only_gets_its_name(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.gateway(call.call_id)
        assert shop.money() == (116_000, 0, 0)
        shop.deposit("TCA1", call.code)
        assert shop.money() == (116_000, 0, 0)
        payment = shop.row(Payment, payment_id)
        assert (payment.received, payment.provider_reference) == (116_000, "TCA1")
        assert shop.row(Reference, "mpesa", "in", "TCA1").payment_id == payment_id

    def test_told_before_the_query_says_so_it_is_not_counted_again(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.deposit("TCA1", call.code)
        shop.gateway(call.call_id)
        assert shop.money() == (116_000, 0, 0)
        assert shop.row(GatewayCall, call.call_id).counted == "TCA1"

    def test_the_callback_that_comes_last_names_it(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.gateway(call.call_id)
        shop.answer(call.call_id, provider_reference="TCA1", amount="1160.00")
        shop.deposit("TCA1", call.code)
        assert shop.money() == (116_000, 0, 0)
        assert shop.row(Payment, payment_id).provider_reference == "TCA1"

    def test_another_amount_under_the_same_code_is_other_money(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.gateway(call.call_id)
        shop.deposit("TCA1", call.code, "40.00")
        assert shop.row(Payment, payment_id).received == 120_000

    def test_one_that_was_counted_by_itself_is_taken_back(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.gateway(call.call_id)
        shop.deposit("TCA1", "")
        assert shop.money() == (232_000, 0, 116_000)
        shop.answer(call.call_id, provider_reference="TCA1", amount="1160.00")
        assert shop.money() == (116_000, 0, 0)
        [case] = shop.rows(Case)
        assert (case.status, case.resolution) == ("closed", "duplicate")
        assert shop.row(Payment, payment_id).provider_reference == "TCA1"

    def test_one_that_people_have_moved_on_is_for_people(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.gateway(call.call_id)
        shop.deposit("TCA1", "no code at all")
        [case] = shop.rows(Case)
        shop.done("case.resolve", case_id=case.case_id, customer_id="c")
        shop.answer(call.call_id, provider_reference="TCA1", amount="1160.00")
        kinds = [said["kind"] for said in shop.emitted("reconciliation.exception")]
        assert kinds == ["unmatched_payment", "counted_twice"]

    def test_one_that_came_first_and_named_nothing_is_its_payments(self, shop):
        """A till's push is confirmed with no reference, before the push's own result."""
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.deposit("TCA1", "")
        shop.gateway(call.call_id, provider_reference="TCA1", amount="1160.00")
        payment = shop.row(Payment, payment_id)
        assert (payment.status, payment.provider_reference) == ("succeeded", "TCA1")
        assert (payment.account, payment.received) == (MPESA, 116_000)
        assert shop.money() == (116_000, 0, 0)
        [case] = shop.rows(Case)
        assert (case.status, case.resolution) == ("closed", "applied")
        [deposit] = [row for row in shop.rows(Payment) if row.payment_id != payment_id]
        wish = {"payment_id": deposit.payment_id, "amount": "10"}
        assert shop.refused("payment.refund", **wish) == "refund_not_possible"
        shop.done("payment.refund", payment_id=payment_id, amount="10")

    def test_a_part_paid_by_hand_hides_no_push(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        shop.deposit("TCA1", call.code, "60.00")
        shop.gateway(call.call_id)
        assert shop.row(Payment, payment_id).received == 122_000
        assert shop.balances[MPESA] == 122_000

    def test_money_after_a_failure_with_the_same_name_counts(self, shop):
        payment_id = shop.confirmed("card")
        call = shop.call(payment_id)
        shop.gateway(call.call_id, "failed", failure="declined", provider_reference="pi_1")
        shop.answer(call.call_id, provider_reference="pi_1", amount="1160.00")
        assert shop.row(Payment, payment_id).status == "succeeded"


class TestReports:
    def test_a_report_decides_nothing(self, shop):
        payment_id = shop.confirmed()
        call = shop.call(payment_id)
        entry = shop.heard(
            "reported", gateway="mpesa", call_id=call.call_id, outcome="succeeded", amount="1160"
        )
        assert (entry.status, entry.postings) == ("applied", [])
        assert shop.row(Payment, payment_id).status == "processing"

    @pytest.mark.parametrize("changed", [{"call_id": "of nobody"}, {"gateway": "stripe"}])
    def test_of_a_call_that_is_not_ours_it_is_kept_apart(self, shop, changed):
        call = shop.call(shop.confirmed())
        about = {"gateway": "mpesa", "call_id": call.call_id, **changed}
        assert shop.heard("reported", **about).reason.startswith("call_unknown")

    @pytest.mark.parametrize("ingress", ["http", "nats", "kafka", "internal"])
    @pytest.mark.parametrize("kind", ["reported", "received", "disputed"])
    def test_it_is_taken_from_callbacks_alone(self, shop, ingress, kind):
        entry = shop.core.event(f"treasury.gateway.{kind}", "t", {}, ingress=ingress)[0]
        assert (entry.status, entry.reason) == ("rejected", "ingress_not_allowed")


class TestFunds:
    def tell(self, shop, available):
        funds = [
            {"account": "Utility Account", "currency": "KES", "current": available}
            | {"available": available}
        ]
        return shop.heard("funds_told", gateway="mpesa", funds=funds)

    def test_what_a_provider_says_it_has_is_kept_and_changes_no_balance(self, shop):
        before = dict(shop.balances)
        for available in ("900.00", "-5.50"):
            assert self.tell(shop, available).status == "applied"
        [row] = shop.rows(ProviderBalance)
        assert (row.provider, row.available, row.version) == ("mpesa", -550, 2)
        assert shop.balances == before


class TestDisputes:
    def paid(self, shop) -> str:
        payment_id = shop.confirmed("card")
        call = shop.call(payment_id)
        shop.gateway(call.call_id, provider_reference="pi_1", amount="1160.00")
        return payment_id

    def tell(self, shop, state, amount="1160.00", **more):
        about = {"gateway": "stripe", "dispute_id": "dp_1", "reference": "pi_1"}
        return shop.heard("disputed", **about, state=state, amount=amount, currency="KES", **more)

    def test_opened_once_and_closed_once(self, shop):
        self.paid(shop)
        for state in ("opened", "opened", "lost", "lost"):
            self.tell(shop, state, fee="15.00")
        [dispute] = shop.rows(Dispute)
        assert (dispute.status, dispute.amount, dispute.fee) == ("lost", 116_000, 1_500)
        assert shop.balances["expense:chargeback"] == 116_000
        assert shop.balances["fees:stripe"] == 1_500

    def test_its_end_may_be_told_first(self, shop):
        self.paid(shop)
        self.tell(shop, "won")
        self.tell(shop, "opened")
        [dispute] = shop.rows(Dispute)
        assert dispute.status == "won"
        assert shop.balances["gateway:stripe:collection"] == 116_000

    def test_told_before_its_payment_it_waits(self, shop):
        assert self.tell(shop, "opened").status == "parked"
        self.paid(shop)
        assert [row.status for row in shop.rows(Dispute)] == ["opened"]

    def test_more_than_is_there_is_held_as_far_as_it_goes_and_told(self, shop):
        self.paid(shop)
        self.tell(shop, "opened", amount="2000.00")
        [dispute] = shop.rows(Dispute)
        assert (dispute.amount, dispute.excess) == (116_000, 84_000)
        assert shop.balances["suspense:out"] == 84_000
        assert shop.balances["gateway:stripe:collection"] == -84_000
        [said] = shop.emitted("reconciliation.exception")
        assert (said["kind"], said["amount"]) == ("dispute_exceeds_payment", 2000)

    @pytest.mark.parametrize("refund", ["500.00", "1160.00"])
    def test_of_what_was_given_back_it_is_for_people_unless_it_is_won(self, shop, refund):
        payment_id = self.paid(shop)
        answer = shop.done("payment.refund", payment_id=payment_id, amount=refund)
        shop.gateway(shop.row(Refund, answer["refund_id"]).call_id)
        before, out = shop.balances, int(refund[:-3]) * 100
        gateway = before.get("gateway:stripe:collection", 0)
        self.tell(shop, "opened", fee="15.00")
        assert shop.balances["gateway:stripe:collection"] == gateway - 117_500
        assert shop.balances["suspense:out"] == out
        assert {row.disputes for row in shop.rows(Settlement)} == {116_000}
        self.tell(shop, "won", fee="15.00")
        assert shop.balances.pop("fees:stripe") == 1_500
        assert shop.balances.get("suspense:out", 0) == 0
        assert shop.balances["gateway:stripe:collection"] == gateway - 1_500
        assert {row.disputes for row in shop.rows(Settlement)} == {0}

    def test_lost_after_all_was_given_back_it_stays_for_people(self, shop):
        payment_id = self.paid(shop)
        answer = shop.done("payment.refund", payment_id=payment_id)
        shop.gateway(shop.row(Refund, answer["refund_id"]).call_id)
        self.tell(shop, "lost", fee="15.00")
        assert shop.balances == {
            "fees:stripe": 1_500,
            "gateway:stripe:collection": -117_500,
            "suspense:out": 116_000,
        }

    @pytest.mark.parametrize("first", ["person", "provider"])
    def test_said_by_a_person_too_it_is_the_same(self, shop, first):
        payment_id = self.paid(shop)
        about = {"payment_id": payment_id, "amount": "300", "provider_reference": "dp_1"}
        if first == "person":
            shop.done("dispute.open", **about)
        self.tell(shop, "opened", amount="300.00")
        said = shop.done("dispute.open", **about)
        [dispute] = shop.rows(Dispute)
        assert said["dispute_id"] == dispute.dispute_id
        assert shop.balances["disputes:held"] == 30_000

    def test_is_of_the_gateway_that_took_it(self, shop):
        """A payment got money by two ways; the card's bank takes its own back."""
        payment_id = shop.confirmed("card")
        card = shop.call(payment_id)
        shop.gateway(card.call_id, "failed", failure="declined")
        shop.done("payment.confirm", payment_id=payment_id, method="mpesa", phone=PHONE)
        mpesa = shop.call(payment_id)
        shop.gateway(mpesa.call_id, provider_reference="TCA1", amount="1160.00")
        shop.answer(card.call_id, provider_reference="pi_1", amount="1160.00")
        self.tell(shop, "opened", fee="15.00")
        assert shop.balances[MPESA] == 116_000
        assert shop.balances["gateway:stripe:collection"] == -1_500
        self.tell(shop, "won", fee="15.00")
        assert shop.balances["gateway:stripe:collection"] == 114_500
        days = {row.provider: row for row in shop.rows(Settlement)}
        assert (days["stripe"].disputes, days["stripe"].fees) == (0, 1_500)
        assert (days["mpesa"].disputes, days["mpesa"].fees) == (0, 0)

    def test_an_end_nobody_knows_is_for_people(self, shop):
        self.paid(shop)
        self.tell(shop, "opened")
        self.tell(shop, "unclear")
        assert [row.status for row in shop.rows(Dispute)] == ["opened"]
        assert shop.emitted("reconciliation.exception")[-1]["kind"] == "dispute_unclear"


class TestPayouts:
    def test_it_leaves_the_utility_account(self, shop):
        payout = shop.paid_out()
        shop.gateway(payout.call_id, provider_reference="TCB1", amount="500.00")
        assert shop.balances[UTILITY] == 50_000
        assert shop.row(Payout, payout.payout_id).status == "completed"

    def test_its_float_is_used_up(self, shop):
        payout = shop.paid_out()
        shop.gateway(payout.call_id, provider_reference="TCB1", amount="500.00")
        shop.until("2026-03-04T06:00:00Z")
        assert shop.balances[UTILITY] == 50_000
        assert UTILITY not in {row.account for row in shop.rows(Settlement)}

    def test_its_float_that_a_statement_shows_stays(self, shop):
        read(shop, {"amount": "1000.00", "receipt": "FUND1", "text": "float"}, account=UTILITY)
        shop.until("2026-03-04T06:00:00Z")
        assert shop.balances[UTILITY] == 100_000
        assert "cash:in_transit" not in shop.balances

    def test_what_was_paid_and_comes_back_is_owed_again(self, shop):
        payout = shop.paid_out()
        shop.gateway(payout.call_id, provider_reference="TCB1", amount="500.00")
        shop.answer(payout.call_id, "failed", failure="returned")
        assert shop.row(Payout, payout.payout_id).status == "returned"
        assert shop.balances[UTILITY] == 100_000
        assert shop.balances["earnings:p"] == -50_000

    def test_a_gateway_that_pays_nobody_is_refused(self, shop):
        wish = {"target": "earnings", "subject_id": "p", "provider": "nobody"}
        assert shop.refused("payout.create", **wish) == "provider_unknown"

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"destination": "12"}, "phone_unfit"),
            ({"destination": "till:1"}, "destination_unfit"),
            ({"amount": "10.50"}, "whole_shillings_only"),
        ],
    )
    def test_what_mpesa_can_never_pay_is_refused_and_nothing_is_set_aside(
        self, shop, changed, reason
    ):
        payout = shop.paid_out()
        shop.gateway(payout.call_id, "failed", failure="insufficient_float")
        wish = {"target": "earnings", "subject_id": "p", "provider": "mpesa", "amount": "10"}
        wish |= {"destination": PHONE} | changed
        assert shop.refused("payout.create", **wish) == reason
        assert shop.balances.get("payout:pending", 0) == 0

    def test_the_tenants_first_one_pays(self, shop):
        shop.done("settings.change", settings={"gateways": {"payout": ["mpesa", "instant"]}})
        shop.paid_out()
        assert [row.provider for row in shop.rows(Payout)] == ["mpesa"]


class TestCodes:
    def test_a_code_is_read_as_it_was_meant(self):
        assert meant(" 7kq2-m9xa ") == "7KQ2M9XA"
        assert meant("OIL") == "011"

    def test_one_that_is_taken_grows(self, shop):
        shop.confirmed()
        [row] = [call for call in shop.rows(GatewayCall) if call.code]
        view = View(shop.core.working)
        again = code_for(view, "t", row.call_id)
        assert len(row.code) == 8
        assert again.startswith(row.code)
        assert len(again) == 10

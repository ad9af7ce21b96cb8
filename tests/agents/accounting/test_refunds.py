"""Money that goes back: refunds in part, in vain, in cash; and disputes."""

import json

import pytest

from tables.invoices import Invoice
from tables.payments import Case, Dispute, Payment, Refund
from tables.settlements import Settlement
from tests.agents.accounting.books import Books

GATEWAY = "gateway:instant:collection"


@pytest.fixture
def paid(books: Books) -> str:
    """A paid café order of 1,160 shillings; the payment's id."""
    books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
    return books.pay(order_id="o")


def refunded(books: Books, payment_id: str, outcome: str = "succeeded", **more) -> Refund:
    answer = books.done("payment.refund", payment_id=payment_id, **more)
    refund = books.row(Refund, answer["refund_id"])
    books.gateway(refund.call_id, outcome)
    return books.row(Refund, refund.refund_id)


class TestRefunds:
    def test_twice_in_part_and_never_more_than_is_refundable(self, books, paid):
        refunded(books, paid, amount="160")
        refunded(books, paid, amount="400")
        assert books.refused("payment.refund", payment_id=paid, amount="600.01")
        refunded(books, paid)
        assert books.refused("payment.refund", payment_id=paid) == "more_than_refundable"
        assert books.balances == {}
        [invoice] = books.rows(Invoice)
        assert (invoice.status, invoice.paid, invoice.credited) == ("credited", 0, 116_000)
        assert len(books.emitted("payment.refunded")) == 3

    def test_what_is_on_its_way_cannot_be_given_back_again(self, books, paid):
        books.done("payment.refund", payment_id=paid, amount="1000")
        refused = books.refused("payment.refund", payment_id=paid, amount="200")
        assert refused == "more_than_refundable"
        assert books.balances["refund:pending"] == -100_000

    def test_that_fails_leaves_all_as_it_was(self, books, paid):
        before = books.balances
        assert refunded(books, paid, "failed", amount="333.33").status == "failed"
        assert books.balances == before
        [invoice] = books.rows(Invoice)
        assert (invoice.status, invoice.paid) == ("paid", 116_000)
        assert books.row(Payment, paid).refundable == 116_000
        assert books.emitted("reconciliation.exception")[-1]["kind"] == "refund_failed"

    def test_that_comes_back_is_where_it_was(self, books, paid):
        """Stripe: succeeded, then failed; the payer's bank has sent it back."""
        before = books.balances
        refund = refunded(books, paid, amount="333.33")
        books.answer(refund.call_id, "failed", failure="expired_or_canceled_card")
        assert books.balances == before
        refund = books.row(Refund, refund.refund_id)
        assert (refund.status, refund.failure) == ("failed", "expired_or_canceled_card")
        payment = books.row(Payment, paid)
        assert (payment.refundable, payment.refunded) == (116_000, 0)
        assert books.emitted("reconciliation.exception")[-1]["kind"] == "refund_returned"
        again = books.answer(refund.call_id, "failed", failure="told again")
        assert again.reason.startswith("call_done")
        assert refunded(books, paid).status == "completed"

    def test_whose_loss_comes_back_is_none(self, books, paid):
        refund = refunded(books, paid, "failed", amount="100")
        books.answer(refund.call_id)
        books.answer(refund.call_id, "failed", failure="returned")
        assert "suspense:out" not in books.balances
        assert books.balances["gateway:instant:collection"] == 116_000
        kinds = [said["kind"] for said in books.emitted("reconciliation.exception")]
        assert kinds[-1] == "refund_loss_returned"

    def test_that_was_done_after_all_is_truth_first(self, books, paid):
        refund = refunded(books, paid, "failed", amount="100")
        books.answer(refund.call_id)
        assert books.balances["suspense:out"] == 10_000
        assert books.balances[GATEWAY] == 106_000
        [day] = books.rows(Settlement)
        assert day.net == 106_000  # what the provider will settle is what the account has

    def test_of_cash_is_done_at_once(self, books):
        books.applied("cafe.order.created", order_id="o", total_amount=116)
        payment_id = books.intent(order_id="o")
        books.done("payment.confirm", payment_id=payment_id, method="cash", outlet_id="w")
        answer = books.done("payment.refund", payment_id=payment_id, amount="16")
        assert answer["status"] == "completed"
        assert books.balances["cash:drawer:w"] == 10_000

    def test_of_a_tills_share_takes_its_tax_along(self, books):
        tenders = [{"method": "mpesa", "amount": 116}, {"method": "cash", "amount": 116}]
        books.applied("pos.order.completed", order_id="o", total_amount=232, tenders=tenders)
        refunded(books, books.pay(order_id="o"))
        assert books.balances == {
            "cash:drawer:main": 11_600,
            "revenue:pos": -10_000,
            "tax:output": -1_600,
        }

    def test_of_an_invoice_that_took_the_tills_place(self, books):
        tenders = [{"method": "mpesa", "amount": 116}]
        books.applied("pos.order.completed", order_id="o", total_amount=116, tenders=tenders)
        payment_id = books.pay(order_id="o")
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=116)
        refunded(books, payment_id)
        assert books.balances == {}

    @pytest.mark.parametrize("outcome", ["succeeded", "failed"])
    def test_of_a_tills_share_whose_order_was_invoiced_for_less(self, books, outcome):
        tenders = [{"method": "mpesa", "amount": 1000}]
        about = {"order_id": "o", "customer_id": "c"}
        books.applied("pos.order.completed", total_amount=1000, tenders=tenders, **about)
        payment_id = books.pay(order_id="o")
        books.applied("cafe.order.created", total_amount=800, **about)
        before = books.balances
        assert before["customer:credit"] == -20_000
        for amount in ("800", "200") if outcome == "succeeded" else ("1000", "900", "1000"):
            refunded(books, payment_id, outcome, amount=amount)
        assert books.balances == (before if outcome == "failed" else {})

    @pytest.mark.parametrize("resolved", [False, True])
    def test_of_what_was_paid_too_much_without_a_customer(self, books, resolved):
        books.applied("cafe.order.created", order_id="o", total_amount=1000)
        payment_id = books.pay(order_id="o", amount="1500")
        [case] = books.rows(Case)
        assert case.payment_id == payment_id
        if resolved:
            books.done("case.resolve", case_id=case.case_id, customer_id="x")
        refunded(books, payment_id, amount="1000")
        refunded(books, payment_id)
        assert books.balances == {}

    @pytest.mark.parametrize("method", ["instant", "cash"])
    def test_goes_back_by_the_way_it_came(self, books, method):
        """A push fails, another way succeeds, and then the push does after all."""
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1000)
        payment_id, confirm = books.intent(order_id="o"), "treasury.command.payment.confirm"
        phone = {"method": "mpesa", "phone": "+254712345678"}
        books.done(confirm, payment_id=payment_id, **phone)
        push = books.call_of(payment_id)
        books.gateway(push, "failed", failure="timeout")
        books.done(confirm, payment_id=payment_id, method=method)
        if method == "instant":
            call_id = books.row(Payment, payment_id).call_id
            books.gateway(call_id, provider_reference="I1", amount="1000.00")
        books.answer(push, "succeeded", provider_reference="MP1")
        assert books.refused("payment.refund", payment_id=payment_id) == "came_in_parts"
        for provider, receipt in ((method, "I1"), ("mpesa", "MP1")):
            answer = books.done("payment.refund", payment_id=payment_id, amount="1000")
            refund = books.row(Refund, answer["refund_id"])
            assert refund.provider == provider
            if provider == "cash":
                assert refund.status == "completed"
                continue
            [call] = [c for e in books.core.entries for c in e.calls if c.call_id == refund.call_id]
            assert call.gateway == provider
            assert json.loads(call.request)["provider_reference"] == receipt
            books.gateway(refund.call_id, "failed")
            answer = books.done("payment.refund", payment_id=payment_id, amount="1000")
            books.gateway(books.row(Refund, answer["refund_id"]).call_id)
        assert books.balances == {}

    def test_of_what_never_came_is_refused(self, books):
        payment_id = books.intent(amount="5")
        refused = books.refused("payment.refund", payment_id=payment_id)
        assert refused == "payment_requires_action"


class TestDisputes:
    def test_lost_is_our_cost_with_its_fee(self, books, paid):
        dispute = books.done("dispute.open", payment_id=paid, fee="15", reason="fraud")
        assert books.balances["disputes:held"] == 116_000
        assert books.refused("payment.refund", payment_id=paid) == "more_than_refundable"
        books.done("dispute.close", dispute_id=dispute["dispute_id"], outcome="lost", fee="5")
        assert books.balances[GATEWAY] == -2_000
        assert books.balances["expense:chargeback"] == 116_000
        assert books.balances["fees:instant"] == 2_000
        assert [e["status"] for e in books.emitted("dispute.closed")] == ["lost"]
        refused = books.refused("dispute.close", dispute_id=dispute["dispute_id"], outcome="won")
        assert refused == "dispute_lost"

    def test_won_the_money_is_back_and_can_be_refunded(self, books, paid):
        dispute = books.done("dispute.open", payment_id=paid, amount="160")
        books.done("dispute.close", dispute_id=dispute["dispute_id"], outcome="won")
        assert books.balances[GATEWAY] == 116_000
        refunded(books, paid)
        assert books.row(Dispute, dispute["dispute_id"]).status == "won"

    def test_while_another_is_open_its_invoice_rests(self, books):
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        payment_id = books.pay(order_id="o", amount="600")
        first = books.done("dispute.open", payment_id=payment_id, amount="100")
        second = books.done("dispute.open", payment_id=payment_id, amount="500")
        for dispute, rests in ((first, True), (second, False)):
            books.done("dispute.close", dispute_id=dispute["dispute_id"], outcome="won")
            [invoice] = books.rows(Invoice)
            assert (invoice.disputed, invoice.disputes) == (rests, int(rests))

    def test_of_two_payments_rest_the_invoice_until_both_are_over(self, books):
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        payments = [books.pay(order_id="o", amount="300") for _ in range(2)]
        opened = [books.done("dispute.open", payment_id=each) for each in payments]
        books.done("dispute.close", dispute_id=opened[0]["dispute_id"], outcome="lost")
        [invoice] = books.rows(Invoice)
        assert invoice.disputed
        books.until("2026-04-20T00:00:00Z")
        assert not books.emitted("invoice.due")

    def test_cash_is_not_disputed(self, books):
        payment_id = books.intent(amount="5")
        books.done("payment.confirm", payment_id=payment_id, method="cash")
        assert books.refused("dispute.open", payment_id=payment_id) == "not_disputable"

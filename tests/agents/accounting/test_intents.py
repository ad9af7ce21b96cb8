"""One intent at a time for an order, one for ever for a reference: nobody is asked twice."""

import pytest

from tables.invoices import Invoice
from tables.payments import Payment
from tests.agents.accounting.books import Books

CREATE = "payment_intent.create"


@pytest.fixture
def order(books: Books) -> str:
    """A café order of 1,160 shillings; its id."""
    books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
    return "o"


class TestOneAtATime:
    def test_a_second_is_refused_and_names_the_first(self, books, order):
        first = books.intent(order_id=order)
        status, body = books.command(CREATE, order_id=order, amount="100")
        assert (status, body["code"]) == (409, "intent_open")
        assert first in body["detail"]
        books.done("payment.confirm", payment_id=first, method="instant")
        assert books.refused(CREATE, order_id=order) == "intent_open"

    def test_its_invoice_is_of_the_same_order(self, books, order):
        books.intent(order_id=order)
        [invoice] = books.rows(Invoice)
        assert books.refused(CREATE, invoice_id=invoice.invoice_id) == "intent_open"

    def test_an_invoice_of_no_order_has_one_too(self, books):
        invoice = books.done("invoice.create", customer_id="c", amount="500")
        books.intent(invoice_id=invoice["invoice_id"])
        assert books.refused(CREATE, invoice_id=invoice["invoice_id"]) == "intent_open"
        other = books.done("invoice.create", customer_id="c", amount="500")
        books.intent(invoice_id=other["invoice_id"])

    def test_an_order_we_have_not_heard_of_has_one_too(self, books):
        books.intent(order_id="later", amount="500")
        assert books.refused(CREATE, order_id="later", amount="500") == "intent_open"

    def test_without_order_and_invoice_there_may_be_many(self, books):
        assert books.intent(amount="500") != books.intent(amount="500")

    @pytest.mark.parametrize("end", ["cancelled", "expired", "succeeded"])
    def test_the_next_may_come_once_it_is_over(self, books, order, end):
        first = books.intent(order_id=order, amount="160")
        if end == "cancelled":
            books.done("payment.cancel", payment_id=first)
        elif end == "expired":
            books.until("2026-03-03T07:00:00Z")
        else:
            books.done("payment.confirm", payment_id=first, method="instant")
            books.gateway(books.call_of(first))
        assert books.row(Payment, first).status == end
        ended = [(said["payment_id"], said["status"]) for said in books.emitted("payment.ended")]
        assert ended == ([] if end == "succeeded" else [(first, end)])
        books.pay(order_id=order)
        [invoice] = books.rows(Invoice)
        assert invoice.status == "paid"
        assert "customer:credit" not in books.balances

    def test_one_that_failed_is_still_open_to_be_tried_again(self, books, order):
        first = books.pay("failed", order_id=order)
        assert books.refused(CREATE, order_id=order) == "intent_open"
        books.done("payment.confirm", payment_id=first, method="instant")
        books.gateway(books.call_of(first))
        assert books.row(Payment, first).status == "succeeded"

    def test_one_that_never_ended_blocks_its_order_for_a_day(self, books, order):
        first = books.intent(order_id=order)
        books.done("payment.confirm", payment_id=first, method="instant")
        books.gateway(books.call_of(first), "unknown")
        books.until("2026-03-03T05:00:00Z")
        assert books.refused(CREATE, order_id=order) == "intent_open"
        books.until("2026-03-03T07:00:00Z")
        second = books.intent(order_id=order)
        books.done("payment.confirm", payment_id=second, method="cash", outlet_id="w")
        books.answer(books.call_of(first))
        assert books.row(Payment, first).status == "succeeded"
        assert books.balances["customer:credit"] == -116_000

    def test_of_an_invoice_that_is_settled_names_its_amount(self, books, order):
        books.pay(order_id=order)
        assert books.refused(CREATE, order_id=order) == "invoice_not_open"
        books.pay(order_id=order, amount="100")
        assert books.balances["customer:credit"] == -10_000

    def test_of_an_invoice_that_is_void_or_a_draft_is_refused(self, books, order):
        [invoice] = books.rows(Invoice)
        books.done("invoice.void", invoice_id=invoice.invoice_id)
        draft = books.done("invoice.create", customer_id="c", amount="10", draft=True)
        for invoice_id in (invoice.invoice_id, draft["invoice_id"]):
            wish = {"invoice_id": invoice_id, "amount": "10"}
            assert books.refused(CREATE, **wish) == "invoice_not_open"


class TestReference:
    def test_is_of_one_intent_for_ever(self, books):
        first = books.intent(amount="500", reference="till-7")
        books.done("payment.cancel", payment_id=first)
        refused = books.refused(CREATE, amount="500", reference="till-7")
        assert refused == "reference_already_used"
        books.intent(amount="500", reference="till-8")

"""Payments in another currency than their invoice's: PayPal has no Kenyan shilling."""

import pytest

from tables.balances import Balance
from tables.invoices import Invoice
from tables.payments import Case, Payment, Refund
from tests.agents.accounting.books import Books

PAYPAL = "gateway:paypal:collection"


class Shop(Books):
    """A café whose order of 1,160 shillings is paid with 9.00 dollars."""

    def __init__(self) -> None:
        super().__init__(tax_registered=True)
        self.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        [self.invoice] = self.rows(Invoice)

    def wish(self, **changed: str) -> dict[str, str]:
        about = {"order_id": "o", "amount": "9.00", "currency": "USD", "quoted_amount": "1160.00"}
        return {name: text for name, text in (about | changed).items() if text}

    def paid(self, amount: str = "9.00", **changed: str) -> str:
        payment_id = self.intent(**self.wish(**changed))
        self.done("payment.confirm", payment_id=payment_id, method="paypal")
        call_id = self.row(Payment, payment_id).call_id
        self.gateway(call_id, provider_reference="3C1", amount=amount, currency="USD")
        return payment_id

    def money(self, asset: str) -> dict[str, int]:
        rows = (row for row in self.rows(Balance) if row.asset == asset and row.posted)
        return {row.account: row.posted for row in rows}


@pytest.fixture
def shop() -> Shop:
    return Shop()


def back(shop: Shop, payment_id: str, amount: str, outcome: str = "succeeded") -> None:
    """A refund of so many dollars, and how it ended."""
    refund_id = shop.done("payment.refund", payment_id=payment_id, amount=amount)["refund_id"]
    call_id = shop.row(Refund, refund_id).call_id
    shop.gateway(call_id, outcome, provider_reference=f"1R-{refund_id}")


class TestAQuote:
    def test_pays_the_invoice_in_its_own_currency_through_clearing(self, shop):
        payment_id = shop.paid()
        assert shop.row(Invoice, shop.invoice.invoice_id).status == "paid"
        assert shop.row(Payment, payment_id).status == "succeeded"
        assert shop.money("USD") == {PAYPAL: 900, "fx:clearing": -900}
        assert shop.money("KES")["fx:clearing"] == 116_000
        assert "receivable" not in shop.money("KES")

    def test_may_be_a_part_of_it(self, shop):
        shop.paid(quoted_amount="500.00")
        invoice = shop.row(Invoice, shop.invoice.invoice_id)
        assert (invoice.status, invoice.outstanding) == ("partially_paid", 66_000)

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"quoted_amount": ""}, "currency_differs_from_invoice"),
            ({"quoted_amount": "1160.01"}, "more_than_outstanding"),
            ({"quoted_amount": "0"}, "amount_not_positive"),
            ({"currency": "KES"}, "quote_without_invoice"),
            ({"order_id": ""}, "quote_without_invoice"),
            ({"amount": ""}, "quote_without_invoice"),
        ],
    )
    def test_of_nothing_or_too_much_is_refused(self, shop, changed, reason):
        assert shop.refused("payment_intent.create", **shop.wish(**changed)) == reason

    @pytest.mark.parametrize("amount", ["8.00", "10.00"])
    def test_that_was_not_paid_as_it_was_quoted_is_for_people(self, shop, amount):
        shop.paid(amount)
        [case] = shop.rows(Case)
        assert (case.asset, case.amount) == ("USD", int(amount.replace(".", "")))
        assert shop.row(Invoice, shop.invoice.invoice_id).status == "open"

    def test_for_an_invoice_that_was_paid_meanwhile_is_for_people(self, shop):
        payment_id = shop.intent(**shop.wish())
        shop.done("payment.confirm", payment_id=payment_id, method="paypal")
        shop.done("invoice.credit", invoice_id=shop.invoice.invoice_id, amount="1160.00")
        call_id = shop.row(Payment, payment_id).call_id
        shop.gateway(call_id, provider_reference="3C1", amount="9.00", currency="USD")
        assert [case.asset for case in shop.rows(Case)] == ["USD"]


class TestRefunds:
    def test_go_back_at_the_original_rate_and_sum_exactly(self, shop):
        payment_id = shop.paid()
        for amount in ("3.33", "3.33", "2.34"):
            back(shop, payment_id, amount)
        assert shop.money("USD") == {}
        assert "fx:clearing" not in shop.money("KES")
        invoice = shop.row(Invoice, shop.invoice.invoice_id)
        assert (invoice.paid, invoice.credited) == (0, 116_000)
        assert shop.money("KES") == {}

    def test_that_fail_leave_everything_as_it_was(self, shop):
        payment_id = shop.paid()
        before = shop.money("USD"), shop.money("KES")
        for amount in ("0.01", "3.33", "9.00"):
            back(shop, payment_id, amount, "failed")
            assert (shop.money("USD"), shop.money("KES")) == before
        assert shop.row(Payment, payment_id).refundable == 900

    def test_in_any_order_of_failures_sum_exactly(self, shop):
        payment_id = shop.paid()
        held = []
        for amount in ("1.11", "2.22", "0.07"):
            refund = shop.done("payment.refund", payment_id=payment_id, amount=amount)
            held.append(shop.row(Refund, refund["refund_id"]).call_id)
        shop.gateway(held[0], "failed")
        shop.gateway(held[2], "succeeded", provider_reference="1R3")
        back(shop, payment_id, "6.71")
        shop.gateway(held[1], "failed")
        back(shop, payment_id, "2.22")
        assert shop.row(Payment, payment_id).refundable == 0
        assert (shop.money("USD"), shop.money("KES")) == ({}, {})

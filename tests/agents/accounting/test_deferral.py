"""What a prepaid period earns: by its days, and never more than its invoice is still worth."""

import random

import pytest

from tables.invoices import Invoice
from tables.payments import Refund
from tables.subscriptions import Subscription
from tests.agents.accounting.books import Books
from tests.agents.accounting.test_subscriptions import subscribed

APRIL, MAY, JUNE = "2026-03-31T21:00:00Z", "2026-04-30T21:00:00Z", "2026-05-31T21:00:00Z"
EARNED, DEFERRED = "revenue:subscription", "deferred_revenue"


@pytest.fixture
def prepaid() -> Books:
    """Three months from March, 92 days, paid ahead: 900 shillings."""
    books = Books()
    subscribed(books, price="900", months=3, prepaid=True)
    return books


def invoice_of(books: Books) -> Invoice:
    return min(books.rows(Invoice), key=lambda row: row.issued_date)


def worth(books: Books) -> tuple[int, int]:
    """(earned, yet to be earned) in cents."""
    balances = books.balances
    return -balances.get(EARNED, 0), -balances.get(DEFERRED, 0)


class TestAPrepaidPeriod:
    def test_is_revenue_month_by_month(self, prepaid):
        assert prepaid.balances == {"receivable": 90_000, "deferred_revenue": -90_000}
        prepaid.until(APRIL)
        assert worth(prepaid) == (30_326, 59_674)  # 31 of 92 days
        prepaid.until(MAY)
        assert worth(prepaid) == (59_674, 30_326)  # 61 of 92 days
        prepaid.until(JUNE)
        assert worth(prepaid) == (90_000, 90_000)  # and the next three months

    def test_that_is_void_earns_nothing(self, prepaid):
        prepaid.until(APRIL)
        prepaid.done("invoice.void", invoice_id=invoice_of(prepaid).invoice_id)
        assert prepaid.balances == {}
        prepaid.until(MAY)
        assert prepaid.balances == {}
        prepaid.until(JUNE)
        assert worth(prepaid) == (0, 90_000)

    def test_that_is_credited_in_part_earns_the_rest_over_its_days(self, prepaid):
        prepaid.until(APRIL)
        prepaid.done("invoice.credit", invoice_id=invoice_of(prepaid).invoice_id, amount="300")
        assert worth(prepaid) == (30_326, 29_674)
        prepaid.until(MAY)
        assert worth(prepaid) == (39_783, 20_217)  # 61 of 92 days of what is left
        prepaid.until(JUNE)
        assert worth(prepaid) == (60_000, 90_000)

    def test_of_which_more_is_credited_than_is_left_takes_earned_revenue_back(self, prepaid):
        prepaid.until(APRIL)
        prepaid.done("invoice.credit", invoice_id=invoice_of(prepaid).invoice_id, amount="700")
        assert worth(prepaid) == (20_000, 0)
        prepaid.until(MAY)
        assert worth(prepaid) == (20_000, 0)

    def test_that_is_refunded_is_earned_no_more_until_the_refund_fails(self, prepaid):
        payment = prepaid.pay(invoice_id=invoice_of(prepaid).invoice_id)
        prepaid.until(APRIL)
        answer = prepaid.done("payment.refund", payment_id=payment)
        assert worth(prepaid) == (0, 0)
        refund = prepaid.row(Refund, answer["refund_id"])
        prepaid.gateway(refund.call_id, "failed")
        assert worth(prepaid) == (30_326, 59_674)
        prepaid.until(MAY)
        assert worth(prepaid) == (59_674, 30_326)

    @pytest.mark.parametrize("held", [True, False])
    def test_whose_refund_fails_a_month_later_goes_on_being_earned(self, held):
        books = Books(refund_limit="100" if held else "100000")
        subscribed(books, price="900", months=3, prepaid=True)
        payment = books.pay(invoice_id=invoice_of(books).invoice_id)
        answer = books.done("payment.refund", payment_id=payment)
        call_id = books.row(Refund, answer["refund_id"]).call_id
        if not held:
            grant = {"call_id": call_id, "nonce": f"n-{call_id}", "valid_for_ms": 5_000}
            books.told("treasury.call.granted", grant)
        books.until(APRIL)
        assert worth(books) == (0, 0)
        if held:
            books.done("refund.reject", refund_id=answer["refund_id"], actor="ben")
        else:
            books.answer(call_id, "failed")
        books.until(MAY)
        assert worth(books) == (59_674, 30_326)

    def test_of_which_a_journal_took_some_elsewhere_is_earned_as_before(self, prepaid):
        invoice_id = invoice_of(prepaid).invoice_id
        taken = [
            {"account": "expense:discounts", "side": "debit", "amount": "300"},
            {"account": "receivable", "side": "credit", "amount": "300", "item": invoice_id},
        ]
        prepaid.done("journal.post", legs=taken)
        prepaid.done("invoice.credit", invoice_id=invoice_id, amount="100")
        assert worth(prepaid) == (0, 80_000)
        prepaid.until(JUNE)
        assert worth(prepaid) == (80_000, 90_000)

    def test_which_notes_take_and_journals_give_back_by_turns_is_never_below_nothing(self, prepaid):
        invoice_id = invoice_of(prepaid).invoice_id
        given_back = [
            {"account": "receivable", "side": "debit", "amount": "300", "item": invoice_id},
            {"account": "revenue:subscription", "side": "credit", "amount": "300"},
        ]
        for _ in range(5):
            prepaid.done("invoice.credit", invoice_id=invoice_id, amount="300")
            prepaid.done("journal.post", legs=given_back)
        assert worth(prepaid) == (90_000, 0)
        prepaid.until(JUNE)
        assert worth(prepaid) == (90_000, 90_000)

    def test_of_before_is_no_concern_of_the_next(self, prepaid):
        prepaid.until(JUNE)
        prepaid.done("invoice.credit", invoice_id=invoice_of(prepaid).invoice_id, amount="100")
        assert worth(prepaid) == (80_000, 90_000)

    def test_that_is_cancelled_at_once_and_credited_takes_revenue_back(self, prepaid):
        prepaid.until(APRIL)
        prepaid.done("subscription.cancel", subscription_id="s", at_once=True)
        assert worth(prepaid) == (90_000, 0)
        prepaid.done("invoice.credit", invoice_id=invoice_of(prepaid).invoice_id, amount="600")
        assert worth(prepaid) == (30_000, 0)

    def test_without_its_tax(self):
        books = Books(tax_registered=True)
        subscribed(books, price="1160", months=2, prepaid=True)
        books.done("invoice.credit", invoice_id=invoice_of(books).invoice_id, amount="580")
        assert books.balances == {"receivable": 58_000, DEFERRED: -50_000, "tax:output": -8_000}

    @pytest.mark.parametrize("seed", range(20))
    def test_earns_in_the_end_what_its_invoice_is_worth(self, prepaid, seed):
        dice = random.Random(seed)
        invoice, left = invoice_of(prepaid), 90_000
        for month in (APRIL, MAY, JUNE):
            for _ in range(dice.randrange(3)):
                part = dice.randint(1, left // 2)
                amount = f"{part // 100}.{part % 100:02d}"
                prepaid.done("invoice.credit", invoice_id=invoice.invoice_id, amount=amount)
                left -= part
                row = prepaid.row(Subscription, "s")
                assert sum(worth(prepaid)) == left
                assert worth(prepaid)[1] == row.deferred >= 0
            prepaid.until(month)
        assert worth(prepaid) == (left, 90_000)

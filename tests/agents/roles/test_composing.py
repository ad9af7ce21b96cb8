"""What is no longer to be said of a payment, once a chain has undone it."""

from datetime import UTC, datetime

import pytest

from agents.roles.composing import Subject, _about, _is_over
from tables.invoices import Invoice
from tables.payments import Payment
from tables.postgres.messages import Due
from tables.tenants import Tenant

COUNTS = Payment("t", "p", "USDC", 9, status="succeeded", received=9)
UNDONE = COUNTS.replaced(taken_back=9)
AGAIN = UNDONE.replaced(received=18)
WAITS = Payment("t", "p", "USDC", 9, status="processing")


def due(template: str) -> Due:
    about = template, "payment", "p", "c", 0, 0, datetime.now(UTC), None, b""
    return Due("t", "e", "email", *about)


@pytest.mark.parametrize(
    ("payment", "receipt_is_over", "failure_is_over"),
    [
        (COUNTS, False, True),
        (UNDONE, True, False),
        (AGAIN, False, True),
        (WAITS, False, False),
    ],
)
def test_a_receipt_is_of_money_and_a_failure_of_none(payment, receipt_is_over, failure_is_over):
    subject = Subject(Tenant("t", "Alpha"), None, payment)
    assert _is_over(due("payment_receipt"), subject) == receipt_is_over
    assert _is_over(due("payment_failed"), subject) == failure_is_over


@pytest.mark.parametrize(("payment", "shown"), [(COUNTS, True), (UNDONE, False), (AGAIN, True)])
def test_a_receipts_page_is_named_while_there_is_one(payment, shown):
    invoice = Invoice("t", "i", "o", "c", "cafe", "KES", 9, 0, link_token="a" * 40)
    about = _about(Subject(Tenant("t", "Alpha"), invoice, payment), "https://pay.example")
    assert ("receipt_url" in about) == shown

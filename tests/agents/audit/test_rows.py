"""Which steps the checker lets a row take; every one that it must not is named."""

import pytest

from agents.audit.rows import WATCHED, broken_step
from tables.balances import Balance, Hold
from tables.invoices import Invoice
from tables.payments import Case, Credit, GatewayCall, Payment, Reference

INVOICE = Invoice("t", "i", "o", "c", "cafe", "KES", 100, 16)
SHARE = INVOICE.replaced(source="pos")
PART = INVOICE.replaced(status="partially_paid", paid=40, version=2)
PAID = INVOICE.replaced(status="paid", paid=100, version=3)
PAYMENT = Payment("t", "p", "KES", 100)
TRIED = PAYMENT.replaced(status="processing", attempt=1, call_id="k", version=2)
DONE = TRIED.replaced(status="succeeded", provider_reference="r", version=3)
CALL = GatewayCall("t", "k", "instant", "collect", "p")
GRANTED = CALL.replaced(status="granted", nonce="n")
HOLD = Hold("t", "h", "cash", "KES", -100)
CASE = Case("t", "c", "overpayment", "KES", 100)
REFERENCE = Reference("t", "instant", "in", "r", "p")
CREDIT = Credit("t", "c", "KES", 100)
BALANCE = Balance("t", "cash", "KES", 100, 40)

LEGAL = [
    (None, INVOICE),
    (None, PART),  # several steps within one record
    (None, PAID),
    (INVOICE, PART),
    (PART, PAID),
    (INVOICE, PAID),
    (PART, PART),
    (SHARE.replaced(status="paid", paid=100), SHARE.replaced(status="void", paid=100, version=9)),
    (INVOICE, INVOICE.replaced(status="void", version=2)),
    (PAID, None),
    (None, PAYMENT),
    (PAYMENT, TRIED),
    (TRIED, PAYMENT.replaced(attempt=1, call_id="k", failure="declined", version=3)),
    (TRIED, TRIED.replaced(attempt=2, call_id="l", version=4)),
    (TRIED, DONE),
    (PAYMENT.replaced(status="expired", version=2), DONE.replaced(attempt=0, call_id="")),
    (PAYMENT, PAYMENT.replaced(status="succeeded", provider_reference="cash", version=2)),
    (DONE, None),
    (None, CALL),
    (CALL, GRANTED),
    (GRANTED, GRANTED.replaced(status="unknown", outcome="unknown")),
    (
        GRANTED.replaced(status="unknown", outcome="unknown"),
        GRANTED.replaced(status="done", outcome="succeeded"),
    ),
    (CALL, CALL.replaced(status="done", outcome="not_sent")),
    (
        GRANTED.replaced(status="done", outcome="failed"),
        GRANTED.replaced(status="done", outcome="succeeded"),
    ),
    (HOLD, HOLD.replaced(status="captured", captured=60)),
    (HOLD, HOLD.replaced(status="expired")),
    (CASE, CASE.replaced(amount=60)),
    (CASE, CASE.replaced(status="closed")),
    (CASE.replaced(status="closed"), None),
    (None, REFERENCE),
    (REFERENCE, REFERENCE),
    (CREDIT, CREDIT.replaced(amount=0, version=2)),
    (BALANCE, BALANCE.replaced(debits=101, pending_credits=5)),
]

ILLEGAL = [
    (PAID, PART.replaced(version=4), "paid fell from 100 to 40"),
    (PART, PART.replaced(status="open", version=3), "open with 40 of 100"),
    (PART, PART.replaced(paid=30, version=3), "paid fell from 40 to 30"),
    (None, INVOICE.replaced(paid=101, status="paid"), "101 paid of 100"),
    (None, INVOICE.replaced(paid=-1), "-1 paid of 100"),
    (INVOICE, PAID.replaced(paid=99), "paid with 99 of 100"),
    (INVOICE.replaced(status="void"), INVOICE.replaced(version=2), "from void to open"),
    (PAID, PAID.replaced(status="void", version=4), "void after it was paid"),
    (INVOICE, INVOICE.replaced(total=90, version=2), "total changed"),
    (INVOICE, INVOICE.replaced(tax=0, asset="EUR", version=2), "asset, tax changed"),
    (INVOICE, PART.replaced(version=1), "version 1 is followed by 1"),
    (None, INVOICE.replaced(status="lost"), "from nothing to lost"),
    (INVOICE, None, "gone while open"),
    (PART, None, "gone while partially_paid"),
    (DONE, DONE.replaced(status="processing", version=4), "from succeeded to processing"),
    (DONE, DONE.replaced(status="requires_action", version=4), "from succeeded to requires_"),
    (PAYMENT, PAYMENT.replaced(amount=99, version=2), "amount changed"),
    (None, PAYMENT.replaced(amount=0), "an amount of 0"),
    (TRIED, TRIED.replaced(status="succeeded", version=3), "without a provider's reference"),
    (PAYMENT, PAYMENT.replaced(status="processing", version=2), "processing without a call"),
    (TRIED, TRIED.replaced(attempt=0, version=3), "attempt 1 is followed by 0"),
    (TRIED, TRIED.replaced(call_id="l", version=3), "attempt 1 has the call of another"),
    (TRIED, TRIED.replaced(attempt=2, version=3), "attempt 2 has the call of another"),
    (DONE, DONE.replaced(failure="late"), "version 3 is followed by 3"),
    (TRIED, None, "gone while processing"),
    (CALL, CALL.replaced(status="granted"), "granted to nobody"),
    (GRANTED, GRANTED.replaced(nonce="m"), "granted twice"),
    (GRANTED, CALL.replaced(nonce="n"), "from granted to requested"),
    (GRANTED.replaced(status="done"), GRANTED, "from done to granted"),
    (
        GRANTED.replaced(status="done", outcome="succeeded"),
        GRANTED.replaced(status="done", outcome="failed"),
        "succeeded, then failed",
    ),
    (CALL, CALL.replaced(subject_id="q"), "subject_id changed"),
    (GRANTED, None, "gone while granted"),
    (HOLD.replaced(status="released"), HOLD, "from released to held"),
    (HOLD, HOLD.replaced(status="captured", captured=101), "101 captured of 100"),
    (HOLD, HOLD.replaced(minor=-90), "minor changed"),
    (HOLD, None, "gone while held"),
    (CASE.replaced(status="closed"), CASE, "from closed to open"),
    (CASE, CASE.replaced(amount=101), "grew from 100 to 101"),
    (CASE, CASE.replaced(amount=0), "an amount of 0"),
    (CASE, None, "gone while open"),
    (REFERENCE, REFERENCE.replaced(payment_id="q"), "payment_id changed"),
    (REFERENCE, None, "gone"),
    (CREDIT, CREDIT.replaced(amount=-1), "an amount of -1"),
    (CREDIT, None, "gone"),
    (BALANCE, BALANCE.replaced(debits=99), "debits or credits fell"),
    (BALANCE, BALANCE.replaced(credits=-1), "a side is below zero"),
    (BALANCE, None, "gone"),
]


class TestSteps:
    @pytest.mark.parametrize(("before", "after"), LEGAL)
    def test_that_are_legal(self, before, after):
        assert broken_step(before, after) == ""

    @pytest.mark.parametrize(("before", "after", "words"), ILLEGAL)
    def test_that_are_not(self, before, after, words):
        assert words in broken_step(before, after)

    def test_are_tried_here_for_every_watched_kind(self):
        tried = {
            row.KIND.encode() for before, after, _ in ILLEGAL for row in (before, after) if row
        }
        assert tried == WATCHED

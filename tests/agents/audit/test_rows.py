"""Which steps the checker lets a row take; every one that it must not is named."""

import pytest

from agents.audit.rows import WATCHED, broken_step
from tables.balances import Balance, Hold
from tables.invoices import Invoice, Line
from tables.journals import Conversion, Journal, Leg
from tables.payables import Bill, Expense
from tables.payments import (
    Case,
    Credit,
    Dispute,
    GatewayCall,
    Payment,
    Placement,
    Reference,
    Refund,
    Taken,
)
from tables.payouts import Payout
from tables.purchases import Item, Purchase
from tables.settlements import Settlement, SettlementProof
from tables.statements import BankItem, StatementLine
from tables.subscriptions import Subscription
from tables.tax_documents import TaxBranch, TaxDocument, TaxLine, TaxReturn

INVOICE = Invoice("t", "i", "o", "c", "cafe", "KES", 100, 16)
SHARE = INVOICE.replaced(source="pos")
PART = INVOICE.replaced(status="partially_paid", paid=40, version=2)
PAID = INVOICE.replaced(status="paid", paid=100, version=3)
PAYMENT = Payment("t", "p", "KES", 100)
TRIED = PAYMENT.replaced(status="processing", attempt=1, call_id="k", version=2)
SOME = (Placement("invoice", "i", 60),)
HOME = (Placement("invoice", "i", 100),)
DONE = TRIED.replaced(
    status="succeeded", provider_reference="r", received=100, placements=HOME, version=3
)
CALL = GatewayCall("t", "k", "instant", "collect", "p")
GRANTED = CALL.replaced(status="granted", nonce="n")
HOLD = Hold("t", "h", "cash", "KES", -100)
CASE = Case("t", "c", "overpayment", "KES", 100)
REFERENCE = Reference("t", "instant", "in", "r", "p")
CREDIT = Credit("t", "c", "KES", 100)
NINETY = (Placement("invoice", "i", 90),)
TAKEN = (Taken("revenue:cafe", 84, "invoice", "i"), Taken("tax:output", 16, "invoice", "i"))
REFUND = Refund("t", "r", "p", "KES", 100, TAKEN)
DISPUTE = Dispute("t", "d", "p", "KES", 100, "gateway:instant:collection")
BILL = Bill("t", "b", "s", "7", "KES", 100, 16, status="open")
EXPENSE = Expense("t", "e", "fuel", "KES", 100)
PAYOUT = Payout("t", "o", "earnings", "r", "KES", 100, "earnings:r", requested_by="ann")
SENT = PAYOUT.replaced(status="submitted", approved_by="ben", version=2)
PURCHASE = Purchase("t", "u", "s", "KES", 100, 40, (Item("i", 5, 100, 2, 40),))
JOURNAL = Journal(
    "t", "j", (Leg("bank:kcb", "KES", 5), Leg("opening", "KES", -5)), day="2026-03-02"
)
QUOTE = Conversion("t", "c", "bank:kcb", "KES", 1_300, "bank:usd", "USD", 10)
MEMBER = Subscription("t", "m", "plan", "c", "KES", "2026-03-01")
DAY = Settlement("t", "s", "instant", "gateway:instant:collection", "KES", "2026-03-02")
PROOF = SettlementProof("t", "s", "ab" * 32, 2, "polygon", call_id="k")
BALANCE = Balance("t", "cash", "KES", 100, 40)
SHOWN = StatementLine(
    *("t", "l", "f", "bank:kcb", "KES", "2026-03-02", "2026-03-02", -100), rule="own_entry"
)
ASKED = SHOWN.replaced(status="open", exception="unmatched_debit", unexplained=-100)
ITEM = BankItem("t", "i", "bank:kcb", "KES", -100, "2026-03-02")
SOLD = TaxDocument(
    *("t", "d", "sale", "00", "KES", 116, 16, (TaxLine("Tea", "1", 116, 16, "standard"),), "cash")
)
GOES = SOLD.replaced(status="submitted", number=4, call_id="k", version=2)
SIGNED = GOES.replaced(status="declared", signature="s", version=3)
BRANCH = TaxBranch("t", "00", number=3, document_id="d", first=5, last=7)
MONTH = TaxReturn("t", "vat-2026-03", "vat", "2026-03", "KES", documents=3)
FILED = MONTH.replaced(status="filed", boxes={"output_tax": "16.00"}, version=2)

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
    (PAID, PART.replaced(credited=60, status="paid", version=4)),  # refunded in part
    (PAID, None),
    (None, PAYMENT),
    (PAYMENT, TRIED),
    (TRIED, PAYMENT.replaced(attempt=1, call_id="k", failure="declined", version=3)),
    (TRIED, TRIED.replaced(attempt=2, call_id="l", version=4)),
    (TRIED, DONE),
    (PAYMENT.replaced(status="expired", version=2), DONE.replaced(attempt=0, call_id="")),
    (PAYMENT, DONE.replaced(attempt=0, call_id="", provider_reference="cash", version=2)),
    (DONE, DONE.replaced(refund_pending=40, placements=SOME, version=4)),
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
    (None, CASE.replaced(amount=0, call_id="k")),
    (None, REFERENCE),
    (REFERENCE, REFERENCE),
    (CREDIT, CREDIT.replaced(amount=0, version=2)),
    (BALANCE, BALANCE.replaced(debits=101, pending_credits=5)),
    (None, REFUND),
    (REFUND, REFUND.replaced(status="completed", version=2)),
    (DISPUTE, DISPUTE.replaced(status="lost", version=2)),
    (BILL, BILL.replaced(status="partially_paid", paid=40, pending=60, version=2)),
    (EXPENSE, EXPENSE.replaced(status="approved", version=2)),
    (None, PAYOUT),
    (PAYOUT, SENT),
    (SENT, SENT.replaced(status="returned", version=4)),  # two steps within one record
    (PURCHASE, PURCHASE.replaced(cleared=100)),
    (JOURNAL, JOURNAL.replaced(status="reversed", version=2)),
    (QUOTE, QUOTE.replaced(status="completed", bought=9, version=2)),
    (SOLD, GOES),
    (GOES, SIGNED),
    (GOES, SOLD.replaced(status="rejected", version=3)),
    (SIGNED, SIGNED.replaced(credited=116, version=4)),
    (BRANCH, BRANCH.replaced(number=4, document_id="", first=8, version=2)),
    (MONTH, FILED),
    (FILED, FILED.replaced(documents=4, version=3)),  # what is declared late
    (MEMBER, MEMBER.replaced(status="cancelled", period=1)),
    (DAY, DAY.replaced(gross=100, status="expected")),
]

ILLEGAL = [
    (PART, PART.replaced(status="open", version=3), "open with (40, 0, 0, 0) of 100"),
    (None, INVOICE.replaced(paid=101, status="paid"), "(101, 0, 0, 0) of 100"),
    (None, INVOICE.replaced(paid=-1), "(-1, 0, 0, 0) of 100"),
    (INVOICE, PAID.replaced(paid=99), "paid with (99, 0, 0, 0) of 100"),
    (PART, PART.replaced(withheld=61, version=3), "(40, 0, 61, 0) of 100"),
    (None, INVOICE.replaced(status="credited", credited=90), "credited with (0, 90, 0, 0) of"),
    (None, INVOICE.replaced(lines=(Line("tea", "1", 80, 16),)), "its lines sum to 80 and 16"),
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
    (CASE, CASE.replaced(status="lost"), "from open to lost"),
    (CASE, CASE.replaced(order_id="o"), "order_id changed"),
    (CASE, CASE.replaced(amount=0), "an amount of 0"),
    (None, CASE.replaced(call_id="k"), "an amount of 100"),
    (CASE, None, "gone while open"),
    (REFERENCE, REFERENCE.replaced(payment_id="q"), "payment_id changed"),
    (REFERENCE, None, "gone"),
    (CREDIT, CREDIT.replaced(amount=-1), "an amount of -1"),
    (CREDIT, None, "gone"),
    (BALANCE, BALANCE.replaced(debits=99), "debits or credits fell"),
    (BALANCE, BALANCE.replaced(credits=-1), "a side is below zero"),
    (BALANCE, None, "gone"),
    (DONE, DONE.replaced(refunded=101, version=4), "-1 refundable of 100"),
    (DONE, DONE.replaced(refunded=10, version=4), "100 placed of 100"),
    (DONE, DONE.replaced(received=90, placements=NINETY, version=4), "less was received"),
    (DONE, DONE.replaced(taken_back=10, version=4), "100 placed of 100"),
    (DONE, DONE.replaced(taken_back=-1, version=4), "101 refundable of 100"),
    (REFUND, REFUND.replaced(amount=99, version=2), "99 out of"),
    (REFUND.replaced(status="failed"), REFUND.replaced(version=2), "from failed to submitted"),
    (DISPUTE, DISPUTE.replaced(amount=99, version=2), "amount changed"),
    (DISPUTE.replaced(status="won"), DISPUTE.replaced(status="lost", version=2), "won to lost"),
    (BILL, BILL.replaced(paid=101, version=2), "101 paid and 0 pending of 100"),
    (BILL, BILL.replaced(status="paid", version=2), "paid with 0 of 100"),
    (BILL, BILL.replaced(number="8", version=2), "number changed"),
    (BILL, BILL.replaced(status="waiting", version=2), "from open to waiting"),
    (EXPENSE, EXPENSE.replaced(paid=60, pending=50, version=2), "60 paid and 50 pending of 100"),
    (EXPENSE, EXPENSE.replaced(paid=60, version=2), "paid while requested"),
    (EXPENSE, EXPENSE.replaced(status="rejected"), "version 1 is followed by 1"),
    (PAYOUT, SENT.replaced(approved_by="ann"), "approved by who asked for it"),
    (SENT, SENT.replaced(status="completed", version=3), "without a provider's reference"),
    (SENT, SENT.replaced(amount=99, version=3), "amount changed"),
    (SENT.replaced(status="returned"), SENT.replaced(version=3), "from returned to submitted"),
    (PURCHASE, PURCHASE.replaced(cleared=101), "101 cleared of 100"),
    (PURCHASE, PURCHASE.replaced(items=(Item("i", 5, 100, 6, 100),)), "6 billed of 5 i"),
    (PURCHASE, PURCHASE.replaced(supplier_id="b"), "supplier_id changed"),
    (JOURNAL, JOURNAL.replaced(day="2026-03-03", version=2), "day changed"),
    (None, JOURNAL.replaced(legs=JOURNAL.legs[:1]), "its legs sum to {'KES': 5}"),
    (JOURNAL.replaced(status="reversed"), JOURNAL.replaced(version=2), "reversed to posted"),
    (QUOTE, QUOTE.replaced(quoted=99, version=2), "quoted changed"),
    (None, SOLD.replaced(tax=15), "its lines sum to 116 and 16"),
    (SIGNED, SIGNED.replaced(credited=117, version=4), "117 credited of 116"),
    (SIGNED, SIGNED.replaced(number=5, version=4), "number 4 became 5"),
    (SIGNED, GOES.replaced(version=4), "declared to submitted"),
    (None, SIGNED.replaced(number=0), "declared with number 0"),
    (SOLD, SOLD.replaced(branch="01", version=2), "branch changed"),
    (BRANCH, BRANCH.replaced(number=2, version=2), "its numbers fell"),
    (BRANCH, BRANCH.replaced(first=9, version=2), "-1 wait"),
    (FILED, FILED.replaced(boxes={}, version=3), "its boxes changed after it was filed"),
    (MONTH, MONTH.replaced(documents=2, version=2), "2 documents after 3"),
    (QUOTE.replaced(status="cancelled"), QUOTE.replaced(version=2), "cancelled to quoted"),
    (MEMBER, MEMBER.replaced(deferred=5), "5 deferred of 0"),
    (MEMBER.replaced(period=2), MEMBER, "period 2 is followed by 0"),
    (MEMBER.replaced(status="ended"), MEMBER, "from ended to active"),
    (DAY.replaced(status="expected"), DAY.replaced(status="expected", gross=5), "net changed"),
    (DAY.replaced(status="expected"), DAY, "from expected to collecting"),
    (PROOF, PROOF.replaced(status="anchored", version=2), "anchored by transaction none"),
    (PROOF, PROOF.replaced(root="cd" * 32, version=2), "root changed"),
    (PROOF, PROOF.replaced(failure="x"), "version 1 is followed by 1"),
    (PROOF.replaced(status="anchored", tx_hash="0x1"), PROOF.replaced(version=2), "to requested"),
    (None, SHOWN.replaced(rule=""), "matched by no rule"),
    (None, ASKED.replaced(unexplained=0), "open with 0 unexplained"),
    (SHOWN, SHOWN.replaced(minor=-99), "minor changed"),
    (SHOWN, ASKED, "from matched to open"),
    (SHOWN, None, "gone"),
    (ITEM, ITEM.replaced(status="matched", version=2), "matched with line none"),
    (ITEM, ITEM.replaced(day="2026-03-03", version=2), "day changed"),
    (ITEM.replaced(status="matched", line_id="l"), ITEM, "from matched to open"),
    (ITEM, None, "gone while open"),
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

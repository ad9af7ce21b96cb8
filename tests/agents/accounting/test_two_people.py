"""Above the tenant's limit money moves by the word of two: refunds and journals."""

import pytest

from agents.audit.documents import journal as journal_rule
from agents.audit.documents import refund as refund_rule
from tables.journals import Journal
from tables.payments import Refund
from tests.agents.accounting.books import Books

GATEWAY = "gateway:instant:collection"


@pytest.fixture
def books() -> Books:
    """A tenant with limits of 500 shillings."""
    return Books(tax_registered=True, refund_limit="500", journal_limit="500")


@pytest.fixture
def paid(books: Books) -> str:
    """A paid café order of 1,160 shillings; the payment's id."""
    books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
    return books.pay(order_id="o")


def legs(amount: str, *, currency: str = "", item: str = "") -> list[dict[str, str]]:
    of = {"amount": amount, "currency": currency}
    other = {"account": "receivable", "item": item} if item else {"account": "opening"}
    return [
        {"account": "bank:kcb", "side": "debit", **of},
        {"side": "credit", **other, **of},
    ]


class TestRefunds:
    def test_up_to_the_limit_go_at_once(self, books, paid):
        assert books.done("payment.refund", payment_id=paid, amount="500")["status"] == "submitted"

    def test_above_it_wait_with_their_money_set_aside(self, books, paid):
        refund = books.done("payment.refund", payment_id=paid, amount="500.01")
        assert (refund["status"], refund["requested_by"]) == ("held", "ann")
        assert books.balances["refund:pending"] == -50_001
        assert refund["call_id"] == ""
        refused = books.refused("payment.refund", payment_id=paid, amount="660")
        assert refused == "more_than_refundable"

    def test_go_by_the_word_of_another(self, books, paid):
        refund_id = books.done("payment.refund", payment_id=paid)["refund_id"]
        assert books.refused("refund.approve", refund_id=refund_id) == "same_person"
        books.done("refund.approve", refund_id=refund_id, actor="ben")
        books.gateway(books.row(Refund, refund_id).call_id)
        refund = books.row(Refund, refund_id)
        assert (refund.status, refund.approved_by) == ("completed", "ben")
        assert books.balances == {}
        assert books.refused("refund.approve", refund_id=refund_id) == "refund_completed"

    def test_that_are_rejected_leave_all_as_it_was(self, books, paid):
        before = books.balances
        refund_id = books.done("payment.refund", payment_id=paid)["refund_id"]
        after = books.done("refund.reject", refund_id=refund_id, reason="no", actor="ben")
        assert (after["status"], after["failure"]) == ("failed", "no")
        assert books.balances == before
        assert books.emitted("reconciliation.exception") == []
        assert books.refused("refund.approve", refund_id=refund_id, actor="cid") == "refund_failed"

    def test_of_cash_are_given_back_when_approved(self, books):
        books.applied("cafe.order.created", order_id="p", customer_id="c", total_amount=1160)
        payment_id = books.intent(order_id="p")
        books.done("payment.confirm", payment_id=payment_id, method="cash", outlet_id="w")
        refund_id = books.done("payment.refund", payment_id=payment_id)["refund_id"]
        assert books.balances["cash:drawer:w"] == 116_000
        books.done("refund.approve", refund_id=refund_id, actor="ben")
        assert books.balances == {}


class TestJournals:
    def test_up_to_the_limit_are_posted_at_once(self, books):
        answer = books.done("journal.post", legs=legs("500"))
        assert answer["status"] == "posted"
        assert answer["balances"][0]["balance"] == "500.00"

    @pytest.mark.parametrize(
        ("amount", "currency"), [("500.01", ""), ("0.01", "USD")], ids=["more", "another"]
    )
    def test_above_it_or_of_another_currency_wait_and_post_nothing(self, books, amount, currency):
        status, answer = books.command("journal.post", legs=legs(amount, currency=currency))
        assert (status, answer["status"], answer["balances"]) == (202, "held", [])
        assert books.balances == {}

    def test_are_posted_by_the_word_of_another(self, books):
        journal_id = books.done("journal.post", legs=legs("900"))["journal_id"]
        assert books.refused("journal.approve", journal_id=journal_id) == "same_person"
        answer = books.done("journal.approve", journal_id=journal_id, actor="ben")
        assert (answer["status"], answer["approved_by"]) == ("posted", "ben")
        assert answer["balances"][0]["balance"] == "900.00"
        assert books.balances == {"bank:kcb": 90_000, "opening": -90_000}
        refused = books.refused("journal.approve", journal_id=journal_id, actor="cid")
        assert refused == "journal_posted"

    def test_that_are_rejected_are_never_posted(self, books):
        journal_id = books.done("journal.post", legs=legs("900"))["journal_id"]
        assert books.done("journal.reject", journal_id=journal_id)["status"] == "rejected"
        refused = books.refused("journal.approve", journal_id=journal_id, actor="ben")
        assert refused == "journal_rejected"
        assert books.refused("journal.reverse", journal_id=journal_id) == "journal_rejected"
        assert books.balances == {}

    def test_that_wait_cannot_be_reversed(self, books):
        journal_id = books.done("journal.post", legs=legs("900"))["journal_id"]
        assert books.refused("journal.reverse", journal_id=journal_id) == "journal_held"

    def test_are_judged_when_they_are_asked_for_and_when_they_are_posted(self, books):
        invoice = books.done("invoice.create", customer_id="c", amount="1160")
        item = invoice["invoice_id"]
        refused = books.refused("journal.post", legs=legs("2000", item=item))
        assert refused == "item_too_small"
        journal_id = books.done("journal.post", legs=legs("1160", item=item))["journal_id"]
        books.done("journal.post", legs=legs("100", item=item))
        refused = books.refused("journal.approve", journal_id=journal_id, actor="ben")
        assert refused == "item_too_small"
        assert books.row(Journal, journal_id).status == "held"

    def test_take_no_conditions_and_no_batch(self, books):
        condition = [{"account": "bank:kcb", "if_version": 0}]
        refused = books.refused("journal.post", legs=legs("900"), conditions=condition)
        assert refused == "conditions_not_possible"
        batch = [{"legs": legs("100")}, {"legs": legs("900")}]
        assert books.refused("journal.batch", journals=batch) == "journal_above_limit"
        assert books.refused("journal.batch", journals=batch[1:]) == "journal_above_limit"
        assert books.balances == {}

    def test_can_be_tried(self, books):
        answer = books.done("journal.post", legs=legs("900"), dry_run=True)
        assert answer["status"] == "held"
        assert books.rows(Journal) == []

    def test_are_reversed_by_two_as_well(self, books):
        journal_id = books.done("journal.post", legs=legs("900"))["journal_id"]
        books.done("journal.approve", journal_id=journal_id, actor="ben")
        undone = books.done("journal.reverse", journal_id=journal_id)
        assert undone["status"] == "held"
        assert books.row(Journal, journal_id).status == "posted"
        second = books.done("journal.reverse", journal_id=journal_id)
        books.done("journal.approve", journal_id=undone["journal_id"], actor="ben")
        assert books.row(Journal, journal_id).reversed_by == undone["journal_id"]
        assert books.balances == {}
        refused = books.refused("journal.approve", journal_id=second["journal_id"], actor="ben")
        assert refused == "journal_reversed"


class TestHolds:
    def test_are_no_way_around_it(self, books):
        books.done("journal.post", legs=legs("500"))
        books.done("journal.post", legs=legs("500"))
        hold_id = books.done("hold.create", account="bank:kcb", amount="900")["hold_id"]
        said = {"hold_id": hold_id, "to_account": "expense:rent"}
        assert books.refused("hold.capture", **said) == "capture_above_limit"
        books.done("hold.capture", amount="500", **said)


class TestTheAudit:
    def test_sees_who_let_their_own_refund_go(self, books, paid):
        refund_id = books.done("payment.refund", payment_id=paid)["refund_id"]
        held = books.row(Refund, refund_id)
        alone = held.replaced(status="submitted", approved_by="ann", version=2)
        assert refund_rule(held, alone) == "approved by who asked for it"
        assert refund_rule(held, alone.replaced(approved_by="ben")) == ""

    @pytest.mark.parametrize("by", ["", "ann"])
    def test_sees_who_posted_their_own_journal(self, books, by):
        journal_id = books.done("journal.post", legs=legs("900"))["journal_id"]
        held = books.row(Journal, journal_id)
        alone = held.replaced(status="posted", approved_by=by, version=2)
        assert journal_rule(held, alone) == "approved by who posted it"
        assert journal_rule(held, alone.replaced(approved_by="ben")) == ""

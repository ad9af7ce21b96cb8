"""Expenses from request to payment, budgets, and what riders earn and are paid."""

import itertools

import pytest

from tables.budgets import Budget
from tables.earnings import Earnings
from tables.payables import Expense
from tables.payouts import Payout
from tests.agents.accounting.books import Books

TOLD, OF_PROJECT = "logistics.expense.created", "projects.expense.created"
EARNED, ASKED = "logistics.earnings.calculated", "logistics.payout.requested"
FUEL = {"expense_id": "e", "amount": 2320, "tax_amount": 320, "category": "fuel", "party_id": "s"}
GATEWAY = "gateway:instant:collection"


def funded(books: Books, amount: str = "100000") -> None:
    """The gateway account has money."""
    legs = [
        {"account": GATEWAY, "side": "debit", "amount": amount},
        {"account": "opening", "side": "credit", "amount": amount},
    ]
    books.done("journal.post", legs=legs)


class TestExpenses:
    def test_small_ones_need_nobody(self, books):
        books.applied(TOLD, expense_id="e", amount=1000, category="toll")
        assert books.balances == {"expense:toll": 100_000, "payable": -100_000}
        [said] = books.emitted("expense.approved")
        assert (said["expense_id"], said["approved_by"]) == ("e", "limit")

    def test_above_the_limit_are_approved_then_owed_then_paid(self, books):
        books.applied(TOLD, **FUEL)
        assert books.balances == {}
        assert books.refused("expense.pay", expense_id="e", account="bank:kcb")
        books.done("expense.approve", expense_id="e", actor="ben")
        assert books.balances == {
            "expense:fuel": 200_000,
            "tax:input": 32_000,
            "payable": -232_000,
        }
        funded(books)
        books.done("payout.create", target="expense", subject_id="e", amount="1000")
        [payout] = books.rows(Payout)
        assert books.row(Expense, "e").outstanding == 132_000
        books.gateway(payout.call_id)
        books.done("expense.pay", expense_id="e", account="bank:kcb")
        assert books.row(Expense, "e").status == "paid"
        assert "payable" not in books.balances

    def test_that_are_rejected_post_nothing(self, books):
        books.applied(TOLD, **FUEL)
        books.done("expense.reject", expense_id="e")
        assert books.refused("expense.approve", expense_id="e") == "expense_rejected"
        assert books.balances == {}

    @pytest.mark.parametrize(("by", "account"), [("cash", "cash:drawer:w"), ("card", "bank:card")])
    def test_paid_at_once_are_never_owed(self, books, by, account):
        books.applied(TOLD, expense_id="e", amount=10, category="toll", paid_by=by, outlet_id="w")
        assert books.balances == {"expense:toll": 1_000, account: -1_000}
        assert books.row(Expense, "e").status == "paid"

    def test_paid_out_of_a_drawer_are_expected_to_be_missing(self, books):
        books.applied(TOLD, expense_id="e", amount=10, category="toll", paid_by="cash")
        said = {"opening_float": 100, "counted_amount": 90}
        books.core.now_ms += 2_000
        books.applied("pos.cash.drawer.closed", **said)
        assert "cash:over_short" not in books.balances

    @pytest.mark.parametrize(
        "account", ["cash", "cash:drawer:", "cash:drawer: ", "bank:", "gateway:instant"]
    )
    def test_are_paid_from_accounts_that_have_a_name(self, books, account):
        bill = {"supplier_id": "s", "number": "1", "category": "rent", "amount": "50"}
        bill_id = books.done("bill.create", **bill)["bill_id"]
        said = {"bill_id": bill_id, "account": account}
        assert books.refused("bill.pay", **said) == "account_cannot_pay"

    def test_come_once(self, books):
        books.applied(TOLD, **FUEL)
        assert books.event(TOLD, **FUEL)[0].reason == "expense_exists"

    def test_over_http_are_the_same_or_are_allocated(self, books):
        said = {"amount": "500", "category": "toll"}
        made = books.done("expense.create", **said)
        again = {**said, "expense_id": made["expense_id"]}
        assert books.refused("expense.create", **again) == "expense_exists"
        moved = books.done("expense.create", **again, project_id="p")
        assert moved["project_id"] == "p"


class TestProjects:
    def test_take_over_an_expense_in_either_order(self):
        facts = [(TOLD, FUEL), (OF_PROJECT, {**FUEL, "category": "site", "project_id": "p"})]
        ends = set()
        for order in itertools.permutations(facts):
            books = Books(expense_limit="5000")
            for event_type, data in order:
                books.applied(event_type, **data)
            [row] = books.rows(Expense)
            budgets = {(b.category, b.actual) for b in books.rows(Budget) if b.actual}
            assert budgets == {("fuel", 200_000), ("*", 200_000)}
            ends.add((tuple(sorted(books.balances.items())), row.project_id, row.category))
        assert ends == {
            ((("expense:fuel", 200_000), ("payable", -232_000), ("tax:input", 32_000)), "p", "fuel")
        }

    def test_another_amount_is_refused(self, books):
        books.applied(TOLD, **FUEL)
        [entry] = books.event(
            OF_PROJECT, **FUEL | {"amount": 5, "tax_amount": 0, "project_id": "p"}
        )
        assert entry.reason.startswith("expense_differs")


class TestBudgets:
    def test_are_passed_once(self, books):
        books.done("budget.set", project_id="p", category="fuel", amount="2000")
        spent = {"project_id": "p", "category": "fuel"}
        books.applied(TOLD, expense_id="a", amount=900, **spent)
        books.applied(TOLD, expense_id="b", amount=1200, **spent)
        row = books.row(Budget, "p", "fuel", "KES")
        assert (row.committed, row.actual, row.remaining) == (120_000, 90_000, -10_000)
        [said] = books.emitted("budget.exceeded")
        assert (said["project_id"], said["remaining"]) == ("p", -100.0)
        books.done("expense.approve", expense_id="b")
        assert len(books.emitted("budget.exceeded")) == 1
        books.done("budget.set", project_id="p", category="fuel", amount="3000")
        books.applied(TOLD, expense_id="c", amount=950, **spent)
        assert len(books.emitted("budget.exceeded")) == 2

    def test_of_a_whole_project_count_all_categories(self, books):
        books.done("budget.set", project_id="p", amount="1000")
        books.applied(TOLD, expense_id="a", amount=600, category="fuel", project_id="p")
        books.applied("inventory.cost.allocated", amount=500, project_id="p")
        assert [said["category"] for said in books.emitted("budget.exceeded")] == ["*"]


def earned(books: Books, gross: int, period: str = "w1", **more) -> None:
    books.applied(EARNED, payee_id="r", period=period, gross_amount=gross, **more)


class TestEarnings:
    DEDUCTIONS = ({"kind": "tax", "amount": 50}, {"kind": "damage", "amount": 30})

    def test_post_what_is_kept_back(self, books):
        earned(books, 1000, deductions=[*self.DEDUCTIONS, {"kind": "advance", "amount": 20}])
        assert books.balances == {
            "expense:earnings": 97_000,
            "earnings:r": -90_000,
            "tax:wht_payable": -5_000,
            "advances:r": -2_000,
        }

    def test_recalculated_post_the_difference(self, books):
        earned(books, 1000, deductions=list(self.DEDUCTIONS))
        earned(books, 900, deductions=[{"kind": "tax", "amount": 45}])
        assert books.balances == {
            "expense:earnings": 90_000,
            "earnings:r": -85_500,
            "tax:wht_payable": -4_500,
        }
        assert books.core.entries[-1].postings[0].minor == -7_000

    def test_the_newest_calculation_counts_in_any_order(self):
        facts = [("2026-03-02T05:00:00Z", 1000), ("2026-03-02T05:30:00Z", 700)]
        facts.append(("2026-03-02T05:15:00Z", 1200))
        ends = set()
        for order in itertools.permutations(facts):
            books = Books()
            for at, gross in order:
                earned(books, gross, at=at)
            [row] = books.rows(Earnings)
            ends.add((row.gross, row.calculations, books.balances["earnings:r"]))
        assert ends == {(70_000, 3, -70_000)}

    def test_below_zero_are_made_good_by_the_next(self, books):
        funded(books)
        earned(books, -100)
        assert books.balances["earnings:r"] == 10_000
        books.event(ASKED, payee_id="r")
        assert books.rows(Payout) == []
        earned(books, 150, period="w2")
        assert books.row(Payout, books.rows(Payout)[0].payout_id).amount == 5_000


class TestPayouts:
    def paid(self, books: Books, outcome: str = "succeeded", **more) -> Payout:
        funded(books)
        earned(books, 1000)
        books.applied(ASKED, payee_id="r", amount=400)
        [payout] = books.rows(Payout)
        books.gateway(payout.call_id, outcome, **more)
        return books.row(Payout, payout.payout_id)

    def test_completed_leave_the_gateway_with_their_fee(self, books):
        payout = self.paid(books, fee="15", provider_reference="R1")
        assert (payout.status, payout.provider_reference, payout.fee) == ("completed", "R1", 1_500)
        assert books.balances[GATEWAY] == 10_000_000 - 40_000 - 1_500
        assert books.balances["earnings:r"] == -60_000
        assert books.emitted("payout.completed")[0]["amount"] == 400.0

    def test_can_be_tried(self, books):
        funded(books)
        earned(books, 1000)
        before = books.balances
        wish = {"target": "earnings", "subject_id": "r", "amount": "400", "reference": "f-1"}
        answer = books.done("payout.create", **wish, dry_run=True)
        assert (answer["status"], answer["amount"]) == ("submitted", "400.00")
        assert books.refused("payout.create", **{**wish, "amount": "1001"}, dry_run=True)
        assert (books.rows(Payout), books.balances) == ([], before)
        books.done("payout.create", **wish)

    def test_failed_are_owed_again(self, books):
        assert self.paid(books, "failed", failure="closed").status == "failed"
        assert books.balances["earnings:r"] == -100_000
        assert books.emitted("payout.failed")[0]["reason"] == "closed"

    def test_that_succeed_after_all_count(self, books):
        payout = self.paid(books, "failed")
        books.answer(payout.call_id, provider_reference="R2")
        assert books.row(Payout, payout.payout_id).status == "completed"
        assert books.balances["earnings:r"] == -60_000

    def test_returned_are_owed_again_and_the_fee_is_gone(self, books):
        payout = self.paid(books, fee="15", provider_reference="R1")
        books.done("payout.return", payout_id=payout.payout_id, reason="unknown_number")
        assert books.balances["earnings:r"] == -100_000
        assert books.balances[GATEWAY] == 10_000_000 - 1_500
        assert books.emitted("payout.returned")[0]["reason"] == "unknown_number"
        assert books.refused("payout.return", payout_id=payout.payout_id) == "payout_returned"

    def test_wait_for_earnings_and_for_money_at_the_gateway(self, books):
        assert books.event(ASKED, payee_id="r", amount=400)[0].status == "parked"
        earned(books, 1000)
        assert books.rows(Payout) == []
        assert books.core.entries[-1].reason == "insufficient_float"
        funded(books)
        assert [row.status for row in books.rows(Payout)] == ["submitted"]

    def test_are_refused_when_the_earnings_never_come(self, books):
        books.event(ASKED, payee_id="r", amount=400)
        books.until("2026-03-03T07:00:00Z")
        assert [e.reason for e in books.core.entries if e.event_type == ASKED][-1].startswith(
            "deadline"
        )

    def test_never_more_than_is_owed_or_there(self, books):
        funded(books, "100")
        earned(books, 1000)
        said = {"target": "earnings", "subject_id": "r"}
        assert books.refused("payout.create", **said, amount="1000.01") == "more_than_is_owed"
        assert books.refused("payout.create", **said) == "insufficient_float"
        books.done("payout.create", **said, amount="60")
        assert books.refused("payout.create", **said, amount="60") == "insufficient_float"

    def test_above_the_limit_need_a_second_person(self):
        books = Books(payout_limit="300")
        funded(books)
        earned(books, 1000)
        books.applied(ASKED, payee_id="r", amount=400)
        [held] = books.rows(Payout)
        assert (held.status, books.balances["payout:pending"]) == ("held", -40_000)
        said = {"payout_id": held.payout_id}
        assert books.refused("payout.approve", **said, actor="logistics") == "same_person"
        assert books.done("payout.approve", **said, actor="ben")["status"] == "submitted"
        other = books.done("payout.create", target="earnings", subject_id="r")
        books.done("payout.reject", payout_id=other["payout_id"], reason="fraud", actor="ben")
        assert books.balances["earnings:r"] == -60_000

    def test_a_reference_pays_once_for_ever(self, books):
        funded(books)
        earned(books, 1000)
        books.applied(ASKED, payee_id="r", amount=10, reference="x")
        assert books.event(ASKED, payee_id="r", amount=10, reference="x")[0].reason == (
            "reference_already_used"
        )
        said = {"target": "earnings", "subject_id": "r", "amount": "10", "reference": "x"}
        assert books.refused("payout.create", **said) == "reference_already_used"

    def test_an_advance_is_kept_back_later(self, books):
        funded(books)
        books.done("payout.create", target="advance", subject_id="r", amount="100")
        books.gateway(books.rows(Payout)[0].call_id)
        assert books.balances["advances:r"] == 10_000
        earned(books, 1000, deductions=[{"kind": "advance", "amount": 100}])
        assert "advances:r" not in books.balances
        assert books.balances["earnings:r"] == -90_000

    def test_a_bill_that_was_paid_otherwise_is_not_paid_twice_in_the_books(self, books):
        funded(books)
        said = {"supplier_id": "s", "number": "1", "category": "rent", "amount": "100"}
        bill = books.done("bill.create", **said)["bill_id"]
        books.done("payout.create", target="bill", subject_id=bill)
        [payout] = books.rows(Payout)
        books.gateway(payout.call_id, "failed")
        books.done("bill.pay", bill_id=bill, account="bank:kcb")
        books.answer(payout.call_id)
        assert books.balances["suspense:out"] == 10_000
        assert "payable" not in books.balances
        books.answer(payout.call_id, "failed", failure="returned")
        assert "suspense:out" not in books.balances
        assert books.balances[GATEWAY] == 10_000_000
        kinds = [said["kind"] for said in books.emitted("reconciliation.exception")]
        assert kinds == ["payout_done_after_failure", "payout_loss_returned"]

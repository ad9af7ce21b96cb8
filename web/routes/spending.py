"""Lines of the route table for what is owed to others: bills, expenses, payouts."""

from tables.budgets import Budget
from tables.earnings import Earnings
from tables.payables import Bill, Expense
from tables.payouts import Payout
from tables.purchases import Purchase
from web import answers, scopes
from web.api import books
from web.call import Route
from web.lines import TENANT, act, collection, resource

_OF_BILLS = ("due_from", "due_to", "metadata")

SPENDING: tuple[Route, ...] = (
    act("/bills", "bill.create", scopes.SPENDING_WRITE, "Enter a supplier's bill."),
    *resource("/bills", Bill, "bill_id", scopes.SPENDING_READ, *_OF_BILLS),
    act(
        "/bills/{bill_id}/approve",
        "bill.approve",
        scopes.SPENDING_APPROVE,
        "Accept the price of a bill that waits for it.",
    ),
    act("/bills/{bill_id}/void", "bill.void", scopes.SPENDING_WRITE, "Void a bill that waits."),
    act("/bills/{bill_id}/pay", "bill.pay", scopes.SPENDING_APPROVE, "Note a bill's payment."),
    act("/expenses", "expense.create", scopes.SPENDING_WRITE, "Import or allocate an expense."),
    *resource("/expenses", Expense, "expense_id", scopes.SPENDING_READ, "metadata"),
    *(
        act(f"/expenses/{{expense_id}}/{verb}", f"expense.{verb}", scopes.SPENDING_APPROVE, summary)
        for verb, summary in (
            ("approve", "Approve an expense."),
            ("reject", "Reject an expense."),
            ("pay", "Note an expense's payment."),
        )
    ),
    *resource("/purchase-orders", Purchase, "po_id", scopes.SPENDING_READ),
    act("/budgets", "budget.set", scopes.SPENDING_WRITE, "Set what a project may spend."),
    collection("/budgets", Budget, scopes.SPENDING_READ),
)

PAYOUTS: tuple[Route, ...] = (
    act("/payouts", "payout.create", scopes.PAYOUTS_WRITE, "Create a payout."),
    *resource("/payouts", Payout, "payout_id", scopes.PAYOUTS_READ, "metadata"),
    *(
        act(f"/payouts/{{payout_id}}/{verb}", f"payout.{verb}", scopes.PAYOUTS_APPROVE, summary)
        for verb, summary in (
            ("approve", "Let a payout go that somebody else asked for."),
            ("reject", "Do not send a payout that waits."),
            ("return", "Note that a payout came back."),
        )
    ),
    collection("/earnings", Earnings, scopes.PAYOUTS_READ),
    Route(
        "GET",
        f"{TENANT}/payees/{{payee_id}}/statement",
        books.get_statement,
        scopes.PAYOUTS_READ,
        summary="A payee's statement: gross, deductions, paid, balance (format=json or csv).",
        shows=answers.PAYEE,
        filters=("format",),
    ),
)

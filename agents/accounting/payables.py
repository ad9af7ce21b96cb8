"""What we owe and how it is paid: bills, and payments of bills and expenses from an account.

Bill: cost + tax:input / payable, less what we withhold for the tax authority (tax:wht_payable).
Paid: payable / bank, drawer or gateway, of whose day it is a payout. Guarantee: payable = Σ
outstanding, after every entry.
"""

from collections.abc import Iterator
from typing import Any

from agents.accounting import chart, drawers, settlements
from agents.accounting.cases import dimensions
from agents.effects import Effect, Post, Put
from agents.registry import Event, View
from streams.journal import Posting
from tables.payables import Bill, Expense


def open_bill(bill: Bill, legs: list[Posting]) -> Iterator[Effect]:
    """The bill is owed; `legs` are what it is for (debited), without its tax."""
    where = of_bill(bill)
    postings = [
        *legs,
        Posting(chart.TAX_INPUT, bill.asset, bill.tax, where),
        Posting(chart.WITHHELD_BY_US, bill.asset, -bill.withheld, where),
        Posting(chart.PAYABLE, bill.asset, -(bill.total - bill.withheld), where),
    ]
    yield Post([leg for leg in postings if leg.minor])
    yield Put(bill.replaced(status="open", why="", version=bill.version + 1))


def of_bill(bill: Bill) -> dict[str, str]:
    """Posting dimensions of a bill."""
    return dimensions(
        party=bill.supplier_id, order=bill.order_id, project=bill.project_id, bill=bill.bill_id
    )


def bill_after(bill: Bill, *, paid: int = 0, pending: int = 0) -> Bill:
    """The bill once so much more of it is paid, and so much more is on its way."""
    after = bill.replaced(
        paid=bill.paid + paid, pending=bill.pending + pending, version=bill.version + 1
    )
    owed = after.total - after.withheld + after.adjusted - after.paid
    return after.replaced(status="paid" if not owed else "partially_paid" if after.paid else "open")


def expense_after(expense: Expense, *, paid: int = 0, pending: int = 0) -> Expense:
    """The expense once so much more of it is paid, and so much more is on its way."""
    after = expense.replaced(
        paid=expense.paid + paid, pending=expense.pending + pending, version=expense.version + 1
    )
    return after.replaced(status="paid" if after.paid == after.total else "approved")


def pay(
    event: Event[Any], view: View, item: Bill | Expense, account: str, amount: int
) -> Iterator[Effect]:
    """Paid by us, without asking a gateway: payable / account."""
    where = dimensions(party=item.supplier_id if isinstance(item, Bill) else item.party_id)
    yield Post(
        [
            Posting(chart.PAYABLE, item.asset, amount, where),
            Posting(account, item.asset, -amount, where),
        ]
    )
    if isinstance(item, Bill):
        yield Put(bill_after(item, paid=amount))
    else:
        yield Put(expense_after(item, paid=amount))
    outlet = chart.outlet_of(account)
    if outlet is not None:
        yield from drawers.moved(event, view, outlet, item.asset, -amount)
    if account.startswith(chart.GATEWAY):
        yield from settlements.collect(
            event,
            view,
            provider=account.split(":")[1],
            account=account,
            asset=item.asset,
            payouts=amount,
        )

"""Expenses: nothing until approved; then expense + tax:input / payable, or what paid it at once.

Up to the tenant's limit approval comes by itself. A project may take over an expense that another
service told of, whichever of the two is heard of first.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from agents.accounting import budgets, chart, drawers
from agents.accounting.cases import dimensions
from agents.effects import Effect, Emit, Post, Put, Refuse
from agents.registry import Event, View
from streams.journal import Posting
from streams.money import json_number
from tables.payables import Expense
from tables.tenants import Tenant


def request(event: Event[Any], view: View, tenant: Tenant, expense: Expense) -> Iterator[Effect]:
    """A new expense: approved by itself if it is small, else committed to and waiting."""
    if needs_nobody(tenant, expense):
        yield from approve(event, view, expense, by="limit", waited=False)
        return
    yield Put(expense)
    yield from _count(event, view, expense, committed=expense.net)


def needs_nobody(tenant: Tenant, expense: Expense) -> bool:
    """Whether it is small enough to be approved by itself."""
    limit = tenant.settings.expense_limit
    return limit < 0 or (expense.asset == tenant.currency and expense.total <= limit)


def approve(
    event: Event[Any], view: View, expense: Expense, *, by: str, waited: bool = True
) -> Iterator[Effect]:
    """It is owed now, or was paid at once."""
    after = expense.replaced(
        status="paid" if expense.paid_from else "approved",
        paid=expense.total if expense.paid_from else 0,
        approved_by=by,
        version=expense.version + (1 if waited else 0),
    )
    where, asset = of_expense(after), after.asset
    legs = legs_of(after).items()
    yield Post([Posting(account, asset, minor, where) for account, minor in legs if minor])
    yield Put(after)
    outlet = chart.outlet_of(after.paid_from)
    if outlet is not None:
        yield from drawers.moved(event, view, outlet, asset, -after.total, at_ms=after.told_ms)
    committed = -after.net if waited else 0
    yield from _count(event, view, after, committed=committed, actual=after.net)
    yield Emit("treasury.expense.approved", told(after))


def reject(event: Event[Any], view: View, expense: Expense, by: str) -> Iterator[Effect]:
    """Nothing was posted, and nothing will be."""
    yield Put(expense.replaced(status="rejected", approved_by=by, version=expense.version + 1))
    yield from _count(event, view, expense, committed=-expense.net)


def reallocate(
    event: Event[Any], view: View, expense: Expense, project_id: str
) -> Iterator[Effect]:
    """It belongs to another project: the cost moves there within its account."""
    if project_id == expense.project_id:
        return
    after = expense.replaced(project_id=project_id, version=expense.version + 1)
    if expense.status in {"approved", "paid"}:
        account = chart.expense(expense.category)
        yield Post(
            [
                Posting(account, expense.asset, expense.net, of_expense(after)),
                Posting(account, expense.asset, -expense.net, of_expense(expense)),
            ]
        )
        yield from _count(event, view, expense, actual=-expense.net)
        yield from _count(event, view, after, actual=expense.net)
    elif expense.status == "requested":
        yield from _count(event, view, expense, committed=-expense.net)
        yield from _count(event, view, after, committed=expense.net)
    yield Put(after)


def told_again(event: Event[Any], view: View, known: Expense, expense: Expense) -> Iterator[Effect]:
    """Its own service tells of an expense that a project told of before: its own word counts.

    But for the project, which the project knows best. What was posted is posted anew.
    """
    if (known.asset, known.total) != (expense.asset, expense.total):
        yield Refuse("expense_differs", "the project said another amount", 422)
        return
    if known.paid_from != expense.paid_from and (known.paid or known.pending):
        yield Refuse("expense_already_paid")
        return
    after = expense.replaced(
        project_id=known.project_id,
        status=known.status,
        paid=known.paid,
        pending=known.pending,
        approved_by=known.approved_by,
        created_ms=known.created_ms,
        version=known.version + 1,
    )
    if known.status in {"requested", "rejected"}:
        yield from _recounted(event, view, known, after)
        yield Put(after)
        return
    if after.paid_from:
        after = after.replaced(status="paid", paid=after.total)
    legs = legs_of(after)
    legs.subtract(legs_of(known))
    where = of_expense(after)
    postings = [Posting(name, after.asset, minor, where) for name, minor in legs.items() if minor]
    if postings:
        yield Post(postings)
    outlet = chart.outlet_of(after.paid_from)
    if outlet is not None and after.paid_from != known.paid_from:
        yield from drawers.moved(event, view, outlet, after.asset, -after.total)
    yield from _recounted(event, view, known, after)
    yield Put(after)


def _recounted(event: Event[Any], view: View, before: Expense, after: Expense) -> Iterator[Effect]:
    """The budgets of what it was, and of what it is."""
    if before.status == "rejected" or (before.category, before.net) == (after.category, after.net):
        return
    if before.status == "requested":
        yield from _count(event, view, before, committed=-before.net)
        yield from _count(event, view, after, committed=after.net)
    else:
        yield from _count(event, view, before, actual=-before.net)
        yield from _count(event, view, after, actual=after.net)


def legs_of(expense: Expense) -> Counter[str]:
    """What an approved expense posts, by account."""
    return Counter(
        {
            chart.expense(expense.category): expense.net,
            chart.TAX_INPUT: expense.tax,
            expense.paid_from or chart.PAYABLE: -expense.total,
        }
    )


def _count(
    event: Event[Any], view: View, expense: Expense, *, committed: int = 0, actual: int = 0
) -> Iterator[Effect]:
    yield from budgets.spend(
        event,
        view,
        project_id=expense.project_id,
        category=expense.category,
        asset=expense.asset,
        committed=committed,
        actual=actual,
    )


def of_expense(expense: Expense) -> dict[str, str]:
    """Posting dimensions of an expense."""
    return dimensions(
        outlet=expense.outlet_id,
        project=expense.project_id,
        party=expense.party_id,
        expense=expense.expense_id,
    )


def told(expense: Expense) -> dict[str, Any]:
    """What `treasury.expense.approved` says."""
    return {
        "expense_id": expense.expense_id,
        "category": expense.category,
        "amount": json_number(expense.total, expense.asset),
        "currency": expense.asset,
        "tax_amount": json_number(expense.tax, expense.asset),
        "project_id": expense.project_id,
        "party_id": expense.party_id,
        "approved_by": expense.approved_by,
        "status": expense.status,
        "sequence": expense.version,
    }

"""What projects tell: costs that are theirs, and milestones that customers pay for."""

from typing import Literal

import msgspec

from agents.accounting import expenses, tax
from agents.accounting.invoicing import Claim, apply_waiting, raise_invoice
from agents.accounting.tax import can_withhold, rates_of, withheld
from agents.effects import Effects, Put, Refuse
from agents.logistics import ExpenseCreated, read_expense
from agents.registry import Event, View, handles
from agents.words import Code, Day, Id, Text
from streams.money import Amount
from streams.timestamps import local_day, parse_day
from tables.invoices import Order
from tables.payables import Expense


class ProjectExpense(ExpenseCreated, frozen=True, gc=False, kw_only=True):
    """An expense of a project; of one that is known already, only the project counts."""

    project_id: Id
    category: Text = "project"


class MilestoneCompleted(msgspec.Struct, frozen=True, gc=False):
    """Work is done and to be paid; `amount` is gross for a tenant registered for tax.

    `withholding` is what the customer, an agent of the tax authority, will withhold.
    """

    milestone_id: Id
    project_id: Id
    customer_id: Id
    amount: Amount
    currency: Code = ""
    name: Text = ""
    due_date: Day | None = None
    withholding: Literal["", "vat", "professional", "contractual"] = ""


@handles("projects.expense.created", ProjectExpense)
def expense_created(event: Event[ProjectExpense], view: View) -> Effects:
    """A known expense moves to the project; an unknown one is the project's own."""
    tenant = view.tenant(event.tenant_id)
    expense = read_expense(event, tenant, "projects")
    if isinstance(expense, Refuse):
        return [expense]
    known = view.row(Expense, event.tenant_id, expense.expense_id)
    if known is None:
        return expenses.request(event, view, tenant, expense)
    if (known.asset, known.total) != (expense.asset, expense.total):
        return [Refuse("expense_differs", "it is known with another amount", 422)]
    return expenses.reallocate(event, view, known, expense.project_id)


@handles("projects.milestone.completed", MilestoneCompleted)
def milestone_completed(event: Event[MilestoneCompleted], view: View) -> Effects:
    """Receivable / revenue:project + tax:output; once per milestone."""
    data, tenant = event.data, view.tenant(event.tenant_id)
    asset = data.currency or tenant.currency
    total = data.amount.minor(asset)
    order_id = f"milestone/{data.milestone_id}"
    order = view.row(Order, event.tenant_id, order_id) or Order(event.tenant_id, order_id)
    if total <= 0:
        yield Refuse("amount_not_positive", http_status=422)
        return
    if order.invoice_id:
        yield Refuse("milestone_already_invoiced")
        return
    if data.withholding and not can_withhold(tenant.country, data.withholding):
        yield Refuse("withholding_unknown", f"in {tenant.country}", 422)
        return
    if data.due_date:
        parse_day(data.due_date)
    parts = tax.of_gross(rates_of(tenant, local_day(event.timestamp_ms, tenant.time_zone)), total)
    claim = Claim(
        order_id,
        data.customer_id,
        "",
        "project",
        asset,
        total,
        data.due_date or "",
        parts=parts,
        project_id=data.project_id,
        reference=data.milestone_id,
        to_withhold=withheld(tenant.country, data.withholding, parts.net, asset),
        metadata={"name": data.name} if data.name else {},
    )
    invoice, raised = raise_invoice(event, view, tenant, claim)
    yield from raised
    order, invoice = yield from apply_waiting(event, view, order, invoice, final=True)
    yield Put(order.replaced(invoice_id=invoice.invoice_id))

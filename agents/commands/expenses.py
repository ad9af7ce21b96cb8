"""Expenses by hand: request, approve, reject, pay without a gateway."""

import re

from agents.accounting import expenses, payables
from agents.accounting.accounts import afford
from agents.commands.base import Command, answered, demand, found, same, wanted
from agents.effects import Effects, Refuse
from agents.logistics import ExpenseCreated, read_expense
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Id, Metadata, OptionalId, Text
from streams.money import Amount
from tables.payables import Bill, Expense

CREATE = "treasury.command.expense.create"
APPROVE = "treasury.command.expense.approve"
REJECT = "treasury.command.expense.reject"
PAY = "treasury.command.expense.pay"

PAYING_WORDS = "bank:NAME, cash:drawer:OUTLET or gateway:PROVIDER:NAME"
"""What a bill or an expense may be paid from by hand."""
_can_pay = re.compile(r"(bank|cash:drawer):[^ :].*|gateway:[a-z0-9_]+:[^ :]+").fullmatch


class CreateExpense(ExpenseCreated, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As logistics.expense.created; without an id it gets one."""

    expense_id: OptionalId = ""
    actor: OptionalId = ""
    metadata: Metadata = {}


class OfExpense(Command, frozen=True):
    """A command about one expense."""

    expense_id: Id


class PayExpense(Command, frozen=True):
    """It was paid from `account` (a bank account or a drawer); without an amount, all of it."""

    expense_id: Id
    account: Text
    amount: Amount | None = None


@handles(CREATE, CreateExpense, ingress=COMMANDS)
def create(event: Event[CreateExpense], view: View) -> Effects:
    """Requested, or approved at once below the limit."""
    tenant = view.tenant(event.tenant_id)
    expense = read_expense(event, tenant, "api")
    if isinstance(expense, Refuse):
        yield expense
        return
    expense_id = expense.expense_id or event.derive("expense")
    expense = expense.replaced(expense_id=expense_id, metadata=event.data.metadata)
    known = view.row(Expense, event.tenant_id, expense.expense_id)
    if known is None:
        if expenses.needs_nobody(tenant, expense):
            _afford(view, expense)
        yield from expenses.request(event, view, tenant, expense)
    elif expense.project_id and (known.asset, known.total) == (expense.asset, expense.total):
        yield from expenses.reallocate(event, view, known, expense.project_id)
    else:
        yield Refuse("expense_exists", "name a project to allocate it to")
        return
    yield from answered(same(view, Expense, event.tenant_id, expense.expense_id), 201)


@handles(APPROVE, OfExpense, ingress=COMMANDS)
def approve(event: Event[OfExpense], view: View) -> Effects:
    """Expense + tax:input / payable, or what paid it."""
    expense = _waiting(event, view)
    _afford(view, expense)
    yield from expenses.approve(event, view, expense, by=event.data.actor)
    yield from answered(same(view, Expense, event.tenant_id, expense.expense_id))


@handles(REJECT, OfExpense, ingress=COMMANDS)
def reject(event: Event[OfExpense], view: View) -> Effects:
    """Nothing is posted."""
    expense = _waiting(event, view)
    yield from expenses.reject(event, view, expense, event.data.actor)
    yield from answered(same(view, Expense, event.tenant_id, expense.expense_id))


def _afford(view: View, expense: Expense) -> None:
    """Raise Unfit if what paid it at once may not give so much."""
    if expense.paid_from:
        afford(view, expense.tenant_id, expense.paid_from, expense.asset, expense.total)


def _waiting(event: Event[OfExpense], view: View) -> Expense:
    expense = found(view, Expense, event.tenant_id, event.data.expense_id)
    waits = expense.status == "requested"
    demand(waits, f"expense_{expense.status}", "it does not wait for approval")
    return expense


@handles(PAY, PayExpense, ingress=COMMANDS)
def pay(event: Event[PayExpense], view: View) -> Effects:
    """Payable / the account that paid."""
    data = event.data
    expense = found(view, Expense, event.tenant_id, data.expense_id)
    amount = payment_of(view, expense, data.account, data.amount)
    yield from payables.pay(event, view, expense, data.account, amount)
    yield from answered(same(view, Expense, event.tenant_id, expense.expense_id))


def payment_of(view: View, item: Bill | Expense, account: str, given: Amount | None) -> int:
    """Minor units that an account may pay of what is owed, by default all of it. Raises Unfit."""
    amount = wanted(given, item.asset, item.outstanding)
    demand(0 < amount <= item.outstanding, "more_than_is_owed", http_status=422)
    demand(_can_pay(account) is not None, "account_cannot_pay", PAYING_WORDS, 422)
    afford(view, item.tenant_id, account, item.asset, amount)
    return amount

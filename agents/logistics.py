"""What logistics tells: expenses of trips, what riders earned, and that they are to be paid."""

from typing import Any, Literal

import msgspec

from agents.accounting import chart, earnings, expenses, methods, payouts
from agents.effects import Effects, Park, Refuse
from agents.registry import Event, View, handles
from agents.words import Code, Id, OptionalId, Text
from streams.money import Amount
from streams.timestamps import local_day
from tables.balances import Balance
from tables.earnings import Deduction, Earnings
from tables.payables import Expense
from tables.payouts import Payout, PayoutReference
from tables.tenants import Tenant


class ExpenseCreated(msgspec.Struct, frozen=True, gc=False):
    """An expense; `amount` contains `tax_amount`, which is 0 unless there is a tax invoice.

    `paid_by` cash means the drawer of the outlet, card the bank account `card`; else it is owed.
    """

    expense_id: Id
    amount: Amount
    category: Text
    currency: Code = ""
    tax_amount: Amount | None = None
    party_id: OptionalId = ""
    project_id: OptionalId = ""
    outlet_id: OptionalId = ""
    description: Text = ""
    paid_by: Literal["", "cash", "card"] = ""


class DeductionGiven(msgspec.Struct, frozen=True, gc=False):
    """What is kept back: tax, advance, or any other word for what lowers our cost."""

    kind: Text
    amount: Amount


class EarningsCalculated(msgspec.Struct, frozen=True, gc=False):
    """What a payee earned in a period; a later calculation of it replaces this one.

    Amounts may be below zero: a correction that the next periods make good.
    """

    payee_id: Id
    period: Id
    gross_amount: Amount
    currency: Code = ""
    deductions: list[DeductionGiven] = []


class PayoutRequested(msgspec.Struct, frozen=True, gc=False):
    """Pay out what a payee has earned; without an amount, all of it."""

    payee_id: Id
    amount: Amount | None = None
    currency: Code = ""
    reference: OptionalId = ""
    destination: Text = ""


def read_expense(event: Event[Any], tenant: Tenant, source: str) -> Expense | Refuse:
    """The expense that an event tells of."""
    data = event.data
    asset = data.currency or tenant.currency
    total = data.amount.minor(asset)
    tax_minor = data.tax_amount.minor(asset) if data.tax_amount else 0
    if total <= 0 or not 0 <= tax_minor < total:
        return Refuse("amount_not_positive", http_status=422)
    if not data.category:
        return Refuse("category_missing", http_status=422)
    account = {"": "", "cash": chart.drawer(data.outlet_id), "card": chart.bank("card")}
    return Expense(
        event.tenant_id,
        data.expense_id,
        data.category,
        asset,
        total,
        tax_minor,
        data.party_id,
        data.project_id,
        data.outlet_id,
        source,
        account[data.paid_by],
        created_ms=event.now_ms,
        description=data.description,
        spent_day=local_day(event.timestamp_ms, tenant.time_zone),
        told_ms=event.timestamp_ms,
    )


@handles("logistics.expense.created", ExpenseCreated)
def expense_created(event: Event[ExpenseCreated], view: View) -> Effects:
    """Requested, or approved at once below the limit.

    A project may have told of it before: then all that was missing is who it is of.
    """
    tenant = view.tenant(event.tenant_id)
    expense = read_expense(event, tenant, "logistics")
    if isinstance(expense, Refuse):
        return [expense]
    known = view.row(Expense, event.tenant_id, expense.expense_id)
    if known is None:
        return expenses.request(event, view, tenant, expense)
    if known.source != "projects":
        return [Refuse("expense_exists")]
    return expenses.told_again(event, view, known, expense)


@handles("logistics.earnings.calculated", EarningsCalculated)
def earnings_calculated(event: Event[EarningsCalculated], view: View) -> Effects:
    """Post what changes; payouts that wait for these earnings are tried again."""
    data, tenant = event.data, view.tenant(event.tenant_id)
    asset = data.currency or tenant.currency
    before = view.row(Earnings, event.tenant_id, data.payee_id, data.period)
    if before is not None and before.asset != asset:
        return [Refuse("currency_differs_from_period", http_status=422)]
    deductions = tuple(Deduction(d.kind, d.amount.minor(asset)) for d in data.deductions)
    after = Earnings(
        event.tenant_id,
        data.payee_id,
        data.period,
        asset,
        data.gross_amount.minor(asset),
        deductions,
        event.timestamp_ms,
        event.event_id,
        created_ms=event.now_ms,
    )
    return earnings.calculate(before, after)


@handles("logistics.payout.requested", PayoutRequested)
def payout_requested(event: Event[PayoutRequested], view: View) -> Effects:
    """Pay a payee; it waits until so much is earned, and so much is at the gateway."""
    data, tenant = event.data, view.tenant(event.tenant_id)
    asset = data.currency or tenant.currency
    if data.reference and view.row(PayoutReference, event.tenant_id, data.reference):
        yield Refuse("reference_already_used")
        return
    owed = chart.earnings(data.payee_id)
    has = payouts.available(view, event.tenant_id, owed, asset)
    amount = data.amount.minor(asset) if data.amount else has
    provider = methods.paying(tenant)
    payout = Payout(
        event.tenant_id,
        event.derive("payout"),
        "earnings",
        data.payee_id,
        asset,
        amount,
        owed,
        data.payee_id,
        provider=provider,
        account=methods.account_of(provider, methods.PAYOUT),
        destination=data.destination,
        reference=data.reference,
        requested_by="logistics",
        created_ms=event.now_ms,
    )
    if data.amount is not None and amount <= 0:
        yield Refuse("amount_not_positive", http_status=422)
    elif has < max(amount, 1):
        yield Park(Balance.key_of(event.tenant_id, owed, asset), "earnings_missing")
    elif payouts.float_of(view, event.tenant_id, payout.account, asset) < amount:
        key = Balance.key_of(event.tenant_id, payout.account, asset)
        yield Park(key, "insufficient_float")
    else:
        yield from payouts.request(event, view, tenant, payout)

"""Payouts: what is owed goes to payout:pending, and from there out of the gateway, or back.

Requested: earnings or payable / payout:pending, if so much is owed and so much is at the gateway.
Above the tenant's limit it is held until somebody else approves. Completed: payout:pending /
gateway, plus the fee. Failed or rejected: back. Returned after completion: gateway / earnings or
payable. Guarantee: payout:pending = Σ payouts in flight.
"""

from collections.abc import Generator, Iterator
from typing import Any

from agents.accounting import chart, payables, settlements
from agents.accounting.cases import dimensions
from agents.accounting.receipts import sent
from agents.effects import CALL_DEADLINE_MS, CallGateway, Effect, Emit, Post, Put, Refuse
from agents.registry import Event, View
from streams.journal import Posting
from streams.money import exponent_of, format_minor, json_number
from tables.balances import Balance
from tables.payables import Bill, Expense
from tables.payouts import Payout, PayoutReference
from tables.tenants import Tenant

IN_FLIGHT = frozenset({"held", "submitted"})


def available(view: View, tenant_id: str, account: str, asset: str) -> int:
    """What is owed on a credit account and not yet set aside, minor units."""
    row = view.row(Balance, tenant_id, account, asset)
    return -row.posted - row.pending_debits if row else 0


def float_of(view: View, tenant_id: str, account: str, asset: str) -> int:
    """What a gateway account has and nothing on its way out will take, minor units.

    Payouts and refunds in flight come out of it too.
    """
    row = view.row(Balance, tenant_id, account, asset)
    has = row.posted - row.pending_credits if row else 0
    for name in (chart.PAYOUT_PENDING, chart.REFUND_PENDING):
        pending = view.row(Balance, tenant_id, name, asset)
        has += pending.posted if pending else 0
    return has


def request(
    event: Event[Any], view: View, tenant: Tenant, payout: Payout
) -> Generator[Effect, None, Payout]:
    """Set the money aside, and send it unless somebody must approve it first."""
    yield Post(
        [
            Posting(payout.owed, payout.asset, payout.amount, of_payout(payout)),
            Posting(chart.PAYOUT_PENDING, payout.asset, -payout.amount, of_payout(payout)),
        ]
    )
    yield from _subject(event, view, payout, pending=payout.amount)
    if payout.reference:
        yield Put(PayoutReference(event.tenant_id, payout.reference, payout.payout_id))
    if tenant.needs_two(tenant.settings.payout_limit, payout.asset, payout.amount):
        yield Put(payout)
        return payout
    return (yield from submit(event, payout))


def submit(event: Event[Any], payout: Payout) -> Generator[Effect, None, Payout]:
    """Have the gateway pay it."""
    call_id = event.derive("call")
    after = payout.replaced(status="submitted", call_id=call_id)
    request_ = {
        "payout_id": payout.payout_id,
        "amount": format_minor(payout.amount, exponent_of(payout.asset)),
        "currency": payout.asset,
        "destination": payout.destination,
    }
    yield Put(after)
    deadline_ms = event.log_ms + CALL_DEADLINE_MS
    yield CallGateway(call_id, payout.provider, "payout", payout.payout_id, request_, deadline_ms)
    return after


def complete(
    event: Event[Any], view: View, payout: Payout, provider_reference: str, fee: int
) -> Iterator[Effect]:
    """The gateway has paid it; its fee is ours."""
    where = of_payout(payout)
    legs = [
        Posting(chart.PAYOUT_PENDING, payout.asset, payout.amount, where),
        Posting(chart.fees(payout.provider), payout.asset, fee, where),
        Posting(payout.account, payout.asset, -payout.amount - fee, where),
    ]
    yield Post([leg for leg in legs if leg.minor])
    settlement_id = yield from settlements.collect(
        event,
        view,
        provider=payout.provider,
        account=payout.account,
        asset=payout.asset,
        payouts=payout.amount,
        fees=fee,
    )
    yield from _subject(event, view, payout, pending=-payout.amount, paid=payout.amount)
    after = payout.replaced(
        status="completed",
        provider_reference=provider_reference,
        fee=fee,
        settlement_id=settlement_id,
        failure="",
        version=payout.version + 1,
    )
    yield Put(after)
    yield from sent(view, payout, payout.payout_id, provider_reference)
    yield Emit("treasury.payout.completed", told(after))


def fail(
    event: Event[Any], view: View, payout: Payout, failure: str, *, by: str = ""
) -> Iterator[Effect]:
    """It was not paid, for certain: the money is owed as before."""
    yield Post(
        [
            Posting(chart.PAYOUT_PENDING, payout.asset, payout.amount, of_payout(payout)),
            Posting(payout.owed, payout.asset, -payout.amount, of_payout(payout)),
        ]
    )
    yield from _subject(event, view, payout, pending=-payout.amount)
    after = payout.replaced(
        status="failed", failure=failure, approved_by=by, version=payout.version + 1
    )
    yield Put(after)
    yield Emit("treasury.payout.failed", {**told(after), "reason": failure})


def can_revive(view: View, payout: Payout) -> bool:
    """Whether what it was for is still owed. Of people, what was paid too much is owed back."""
    if payout.target not in {"bill", "expense"}:
        return True
    kind: type[Bill | Expense] = Bill if payout.target == "bill" else Expense
    item = view.row(kind, payout.tenant_id, payout.subject)
    return item is not None and item.outstanding >= payout.amount


def revive(event: Event[Any], view: View, payout: Payout) -> Iterator[Effect]:
    """It was given up as failed, and is on its way after all: late truth counts."""
    yield Post(
        [
            Posting(payout.owed, payout.asset, payout.amount, of_payout(payout)),
            Posting(chart.PAYOUT_PENDING, payout.asset, -payout.amount, of_payout(payout)),
        ]
    )
    yield from _subject(event, view, payout, pending=payout.amount)
    yield Put(payout.replaced(status="submitted", failure="", version=payout.version + 1))


def give_back(event: Event[Any], view: View, payout: Payout, reason: str) -> Iterator[Effect]:
    """What was paid came back: it is at the gateway, and owed again. The fee is gone."""
    yield Post(
        [
            Posting(payout.account, payout.asset, payout.amount, of_payout(payout)),
            Posting(payout.owed, payout.asset, -payout.amount, of_payout(payout)),
        ]
    )
    yield from settlements.collect(
        event,
        view,
        provider=payout.provider,
        account=payout.account,
        asset=payout.asset,
        payouts=-payout.amount,
    )
    yield from _subject(event, view, payout, paid=-payout.amount)
    after = payout.replaced(status="returned", failure=reason, version=payout.version + 1)
    yield Put(after)
    yield Emit("treasury.payout.returned", {**told(after), "reason": reason})


def _subject(
    event: Event[Any], view: View, payout: Payout, *, paid: int = 0, pending: int = 0
) -> Iterator[Effect]:
    """The bill or expense that is paid off by it."""
    if payout.target == "bill":
        bill = view.row(Bill, event.tenant_id, payout.subject)
        assert bill is not None
        yield Put(payables.bill_after(bill, paid=paid, pending=pending))
    elif payout.target == "expense":
        expense = view.row(Expense, event.tenant_id, payout.subject)
        assert expense is not None
        yield Put(payables.expense_after(expense, paid=paid, pending=pending))


def refusal(view: View, payout: Payout) -> Refuse | None:
    """Why this payout cannot be; None if it can. Short of money is told apart: it may come."""
    if payout.amount <= 0:
        return Refuse("amount_not_positive", http_status=422)
    owed = None
    if payout.target == "earnings":
        owed = available(view, payout.tenant_id, payout.owed, payout.asset)
    elif payout.target in {"bill", "expense"}:
        kind: type[Bill | Expense] = Bill if payout.target == "bill" else Expense
        item = view.row(kind, payout.tenant_id, payout.subject)
        if item is None:
            return Refuse(f"{payout.target}_unknown", http_status=404)
        if item.asset != payout.asset:
            return Refuse(f"currency_differs_from_{payout.target}", http_status=422)
        owed = item.outstanding
    if owed is not None and payout.amount > owed:
        return Refuse("more_than_is_owed", f"owed are {owed} minor units", 422)
    if payout.amount > float_of(view, payout.tenant_id, payout.account, payout.asset):
        return Refuse("insufficient_float", "the gateway account has less", 422)
    return None


def of_payout(payout: Payout) -> dict[str, str]:
    """Posting dimensions of a payout."""
    return dimensions(party=payout.party_id, payout=payout.payout_id)


def told(payout: Payout) -> dict[str, Any]:
    """What our payout events say."""
    return {
        "payout_id": payout.payout_id,
        "target": payout.target,
        "subject_id": payout.subject,
        "payee_id": payout.party_id,
        "amount": json_number(payout.amount, payout.asset),
        "currency": payout.asset,
        "provider": payout.provider,
        "provider_reference": payout.provider_reference,
        "fee": json_number(payout.fee, payout.asset),
        "reference": payout.reference,
        "sequence": payout.version,
    }

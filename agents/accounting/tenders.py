"""Receipts that a till tells with a sale: what money that came without a reference was for.

Money to an M-Pesa till number bears nothing but its receipt (Daraja, "Customer To Business": there
is no account number at a Buy Goods till). The receipt joins it to the sale whose tender names it,
whoever tells first. Not while a push for the order is out, which tells itself what it brought.
"""

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from agents.accounting.receipts import Receipt, unclaimed
from agents.effects import Delete, Effect, Effects, Put, Schedule, Unschedule
from agents.registry import Event, View, when_due
from tables.invoices import Order
from tables.memory import Due
from tables.payments import OpenIntent, Payment, Reference, Tendered

PROVIDERS = frozenset({"mpesa"})
"""Who tells of money without a call, under a receipt that its payer is told as well."""
KEPT_MS = 7 * 24 * 3600 * 1000
"""How long a sale waits for its money; what comes later is a person's to place."""


def written(reference: str) -> str:
    """A receipt as its provider writes it."""
    return reference.strip().upper()


def noted(
    event: Event[Any], view: View, order_id: str, asset: str, receipts: Sequence[tuple[str, str]]
) -> Generator[Effect, None, list[str]]:
    """The cases of money that came before its sale; receipts that are yet to come are remembered.

    A receipt that another sale named before is that one's.
    """
    cases, tenant_id = [], event.tenant_id
    asked = bool(receipts) and _asked(view, tenant_id, order_id)
    for provider, reference in receipts:
        known = view.row(Reference, tenant_id, provider, "in", reference)
        if known is not None:
            case = unclaimed(view, tenant_id, known.payment_id, known.amount)
            if case is not None and case.asset == asset and not asked:
                cases.append(case.case_id)
        elif view.row(Tendered, tenant_id, provider, reference) is None:
            until_ms = event.now_ms + KEPT_MS
            row = Tendered(tenant_id, provider, reference, order_id, until_ms)
            yield Put(row)
            yield Schedule(until_ms, "tendered", _subject(row))
    return cases


def order_of(view: View, tenant_id: str, receipt: Receipt) -> Order | None:
    """The order that the receipt paid, as its till says."""
    row = view.row(Tendered, tenant_id, receipt.provider, receipt.reference)
    if row is None or _asked(view, tenant_id, row.order_id):
        return None
    return view.row(Order, tenant_id, row.order_id)


def come(view: View, tenant_id: str, receipt: Receipt) -> Iterator[Effect]:
    """The receipt is no longer waited for."""
    row = view.row(Tendered, tenant_id, receipt.provider, receipt.reference)
    if row is not None:
        yield Delete(row.key)
        yield Unschedule(row.until_ms, "tendered", _subject(row))


@when_due("tendered")
def tendered_due(event: Event[Due], view: View) -> Effects:
    """Its money did not come."""
    provider, _, reference = event.data.subject.partition(" ")
    row = view.row(Tendered, event.tenant_id, provider, reference)
    if row is not None:
        yield Delete(row.key)


def _subject(row: Tendered) -> str:
    return f"{row.provider} {row.reference}"


def _asked(view: View, tenant_id: str, order_id: str) -> bool:
    """Whether somebody is being asked to pay for the order now."""
    mark = view.row(OpenIntent, tenant_id, order_id, "")
    payment = view.row(Payment, tenant_id, mark.payment_id) if mark is not None else None
    return payment is not None and payment.status == "processing"

"""Money that arrived for a payment: where it goes. Counted once, and never lost for being late.

gateway / receivable while its invoice is open; the rest is the customer's credit or, without a
home, suspense and a case.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from agents.accounting.invoicing import dimensions, open_case, overpaid, settle
from agents.effects import Effect, Emit, Put
from agents.registry import Event, View
from streams.money import json_number
from tables.invoices import Invoice, Order
from tables.payments import Payment, Reference


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What a provider (or a till) proved: `amount` minor units of `asset` on `account`."""

    provider: str
    reference: str
    account: str
    asset: str
    amount: int


def counted_for(event: Event[Any], view: View, receipt: Receipt) -> str:
    """The id of the payment that the receipt's reference was counted for; empty if for none."""
    known = view.row(Reference, event.tenant_id, receipt.provider, "in", receipt.reference)
    return known.payment_id if known else ""


def receive(event: Event[Any], view: View, payment: Payment, receipt: Receipt) -> list[Effect]:
    """All effects of a proven receipt; none if its reference was counted before."""
    if counted_for(event, view, receipt):
        return []
    late = payment.status in {"succeeded", "expired", "canceled"}
    effects: list[Effect] = [
        Put(
            Reference(
                event.tenant_id, receipt.provider, "in", receipt.reference, payment.payment_id
            )
        ),
        *_place(event, view, payment, receipt),
    ]
    if payment.status == "succeeded":
        # A second success of one payment: its money has a home now, its first success stands.
        return effects
    after = payment.replaced(
        status="succeeded",
        provider=receipt.provider,
        provider_reference=receipt.reference,
        failure="",
        version=payment.version + 1,
    )
    said = _told(after, receipt, late=late)
    return [*effects, Put(after), Emit("treasury.payment.success", said)]


def _place(event: Event[Any], view: View, payment: Payment, receipt: Receipt) -> Iterator[Effect]:
    order = None
    if payment.order_id:
        order = view.row(Order, event.tenant_id, payment.order_id)
        order = order or Order(event.tenant_id, payment.order_id)
    invoice = _invoice(view, payment, order)
    if invoice is None or invoice.asset != receipt.asset:
        yield from _suspend(event, payment, receipt, order)
        return
    where = dimensions(
        order=invoice.order_id, party=invoice.customer_id, payment=payment.payment_id
    )
    after, effects, rest = settle(invoice, receipt.account, receipt.amount, where)
    yield from effects
    if rest:
        yield from overpaid(event, view, after, receipt.account, rest)


def _invoice(view: View, payment: Payment, order: Order | None) -> Invoice | None:
    """The invoice meant: the payment's own, unless voided for its order's present one."""
    for invoice_id in (payment.invoice_id, order.invoice_id if order else ""):
        if invoice_id:
            invoice = view.row(Invoice, payment.tenant_id, invoice_id)
            if invoice is not None and invoice.status != "void":
                return invoice
    return None


def _suspend(
    event: Event[Any], payment: Payment, receipt: Receipt, order: Order | None
) -> Iterator[Effect]:
    yield from open_case(
        event,
        kind="unmatched_payment",
        account=receipt.account,
        asset=receipt.asset,
        amount=receipt.amount,
        payment_id=payment.payment_id,
        order_id=payment.order_id,
    )
    if order is not None:
        yield Put(order.replaced(unapplied=[*order.unapplied, event.derive("case")]))


def _told(payment: Payment, receipt: Receipt, *, late: bool) -> dict[str, Any]:
    return {
        "payment_id": payment.payment_id,
        "order_id": payment.order_id,
        "amount": json_number(receipt.amount, receipt.asset),
        "provider_reference": receipt.reference,
        "currency": receipt.asset,
        "provider": receipt.provider,
        "invoice_id": payment.invoice_id,
        "late": late,
        "sequence": payment.version,
    }

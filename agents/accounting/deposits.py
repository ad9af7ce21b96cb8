"""Money that came without a call: to a paybill, by hand. It is here, whatever we think of it.

What its payer wrote says what it pays: the code of an attempt or of an invoice, an invoice's or
order's own id. What means nothing to us is a payment all the same, in suspense with its case.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from agents.accounting import cases
from agents.accounting.codes import meant
from agents.accounting.receipts import Receipt, counted_for, named, receive
from agents.effects import Effect, Put
from agents.registry import Event, View
from tables.invoices import Invoice, Order
from tables.payments import GatewayCall, PayCode, Payment


class Meaning(NamedTuple):
    """What a payer's reference names, as far as it does."""

    call: GatewayCall | None = None
    invoice: Invoice | None = None
    order_id: str = ""


def deposit(
    event: Event[Any], view: View, receipt: Receipt, reference: str, payer: str
) -> Iterator[Effect]:
    """All effects of a deposit, none if its receipt was counted by another way.

    An attempt whose money was counted before its receipt was known only learns its name.
    """
    if counted_for(event, view, receipt):
        return
    found = meaning(view, event.tenant_id, reference)
    if found.call is not None and found.call.gateway != receipt.provider:
        found = _for_the_same(view, found.call)
    if found.call is None:
        yield from receive(
            event, view, unannounced(event, receipt, found, reference, payer), receipt
        )
        return
    call = found.call
    payment = view.row(Payment, event.tenant_id, call.subject_id)
    assert payment is not None
    if call.counted == call.call_id and receipt.amount == payment.amount:
        yield from named(event, view, payment, call, receipt.reference)
        return
    if not call.counted and receipt.amount == payment.amount:
        yield from counted(view, call, receipt)
    yield from receive(event, view, payment, receipt)


def _for_the_same(view: View, call: GatewayCall) -> Meaning:
    """A payer wrote the code of an attempt, and paid by another way: it is not that attempt's."""
    payment = view.row(Payment, call.tenant_id, call.subject_id)
    if payment is None:
        return Meaning()
    invoice = view.row(Invoice, call.tenant_id, payment.invoice_id) if payment.invoice_id else None
    return Meaning(invoice=invoice, order_id=payment.order_id)


def counted(view: View, call: GatewayCall, receipt: Receipt) -> Iterator[Effect]:
    """The money of an attempt came by this way; what nobody knew of it is known."""
    after = call.replaced(counted=receipt.reference)
    if call.status == "unknown":
        after = after.replaced(
            status="done", outcome="succeeded", provider_reference=receipt.reference
        )
        yield from cases.answer(view, after)
    yield Put(after)


def meaning(view: View, tenant_id: str, reference: str) -> Meaning:
    """What somebody wrote as an account number means here."""
    code = view.row(PayCode, tenant_id, meant(reference))
    call = view.row(GatewayCall, tenant_id, code.call_id) if code is not None else None
    if call is not None:
        return Meaning(call=call)
    text = code.invoice_id if code is not None else reference.strip()
    invoice = view.row(Invoice, tenant_id, text) if text else None
    if invoice is not None:
        return Meaning(invoice=invoice)
    order = view.row(Order, tenant_id, text) if text else None
    if order is None:
        return Meaning()
    own = view.row(Invoice, tenant_id, order.invoice_id) if order.invoice_id else None
    return Meaning(invoice=own, order_id=order.order_id)


def unannounced(
    event: Event[Any], receipt: Receipt, found: Meaning, reference: str, payer: str
) -> Payment:
    """A payment nobody had announced; who paid is for people to read."""
    told = {"reference": reference[:200], "payer": payer[:200]}
    invoice = found.invoice
    return Payment(
        event.tenant_id,
        event.derive("payment"),
        receipt.asset,
        receipt.amount,
        found.order_id or (invoice.order_id if invoice else ""),
        invoice.invoice_id if invoice else "",
        invoice.customer_id if invoice else "",
        method=receipt.provider,
        provider=receipt.provider,
        created_ms=event.now_ms,
        expires_ms=event.now_ms,
        metadata={name: text for name, text in told.items() if text},
        version=0,
    )

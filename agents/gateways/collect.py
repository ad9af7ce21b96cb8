"""A payment attempt: its money counts whenever it comes; its failure leaves the intent open."""

from collections.abc import Iterator
from typing import Any

from agents.accounting import chart
from agents.accounting.receipts import Receipt, counted_for, receive
from agents.effects import Effect, Emit, Put
from agents.registry import Event, View
from streams.money import json_number
from tables.payments import GatewayCall, Payment


def succeeded(event: Event[Any], view: View, call: GatewayCall) -> Iterator[Effect]:
    """The provider has the money."""
    payment = _payment(view, call)
    data = event.data
    asset = data.currency or payment.asset
    amount = data.amount.minor(asset) if data.amount else payment.amount
    account = chart.gateway(call.gateway)
    receipt = Receipt(call.gateway, data.provider_reference or call.call_id, account, asset, amount)
    other = counted_for(event, view, receipt)
    if other and other != payment.payment_id:
        yield _reported_twice(payment, call, receipt, other)
        yield from failed(event, view, call, "duplicate_reference")
        return
    yield from receive(event, view, payment, receipt)
    if receipt.asset != payment.asset:
        yield from failed(event, view, call, "currency_differs")


def _reported_twice(payment: Payment, call: GatewayCall, receipt: Receipt, other: str) -> Emit:
    """The same money for two payments: it counts for the first, the second can be tried again."""
    said = {
        "kind": "duplicate_reference",
        "call_id": call.call_id,
        "payment_id": payment.payment_id,
        "counted_for": other,
        "provider": receipt.provider,
        "provider_reference": receipt.reference,
        "amount": json_number(receipt.amount, receipt.asset),
        "currency": receipt.asset,
    }
    return Emit("treasury.reconciliation.exception", said)


def failed(event: Event[Any], view: View, call: GatewayCall, failure: str) -> Iterator[Effect]:
    """Back to where another attempt is possible; nothing was posted, so nothing is undone."""
    payment = _payment(view, call)
    if payment.status != "processing" or payment.call_id != call.call_id:
        return
    final = event.now_ms >= payment.expires_ms
    status = "expired" if final else "requires_action"
    after = payment.replaced(status=status, failure=failure, version=payment.version + 1)
    said = {
        "payment_id": payment.payment_id,
        "order_id": payment.order_id,
        "amount": json_number(payment.amount, payment.asset),
        "currency": payment.asset,
        "provider": call.gateway,
        "reason": failure,
        "final": final,
        "sequence": after.version,
    }
    yield Put(after)
    yield Emit("treasury.payment.failed", said)


def _payment(view: View, call: GatewayCall) -> Payment:
    payment = view.row(Payment, call.tenant_id, call.subject_id)
    assert payment is not None
    return payment

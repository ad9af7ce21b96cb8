"""A payment attempt: its money counts whenever it comes; its failure leaves the intent open."""

from collections.abc import Callable, Iterator
from typing import Any

from agents.accounting import attempts, methods
from agents.accounting.receipts import Receipt, claim, counted_for, receive, unclaimed
from agents.effects import Effect, Emit, Put
from agents.registry import Event, View
from streams.money import json_number
from tables.payments import GatewayCall, Payment

Failed = Callable[[Event[Any], View, GatewayCall, str], Iterator[Effect]]


def succeeded(event: Event[Any], view: View, call: GatewayCall) -> Iterator[Effect]:
    """The provider has the money."""
    yield from arrived(event, view, call, failed)


def arrived(event: Event[Any], view: View, call: GatewayCall, fail: Failed) -> Iterator[Effect]:
    """The money of a call is here; `fail` if the call has none for its own payment.

    It may have been counted before, when the provider told of it by another way.
    """
    payment, data = payment_of(view, call), event.data
    if call.counted and data.provider_reference in {"", call.counted}:
        return
    asset = data.currency or payment.asset
    asked = payment.capturing or payment.amount
    amount = data.amount.minor(asset) if data.amount else asked
    account = methods.account_of(call.gateway, call.operation, asset)
    receipt = Receipt(call.gateway, data.provider_reference or call.call_id, account, asset, amount)
    other = counted_for(event, view, receipt)
    if other and other != payment.payment_id:
        case = unclaimed(view, event.tenant_id, other, amount)
        if case is not None and case.asset == payment.asset:
            yield Put(call.replaced(counted=receipt.reference))
            yield from claim(event, view, payment, receipt, case)
            return
        yield _reported_twice(payment, call, receipt, other)
        yield from fail(event, view, call, "duplicate_reference")
        return
    yield Put(call.replaced(counted=receipt.reference))
    yield from receive(event, view, payment, receipt)
    if receipt.asset != payment.asset:
        yield from fail(event, view, call, "currency_differs")


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
    """To the next gateway, if this one did not begin; else back to where another attempt is
    possible. Nothing was posted, so nothing is undone.
    """
    payment = payment_of(view, call)
    if payment.status != "processing" or payment.call_id != call.call_id:
        return
    final = event.now_ms >= payment.expires_ms
    left = attempts.left_to(call, failure)
    if left and not final:
        yield from attempts.attempt(event, view, payment.replaced(failure=failure), left)
        return
    after = payment.replaced(
        status="requires_action", failure=failure, next_action="", version=payment.version + 1
    )
    yield Put(after)
    yield told_of_failure(after, call.gateway, failure, final=final)
    if final:
        yield from attempts.ended(after, "expired")


def told_of_failure(payment: Payment, provider: str, failure: str, *, final: bool) -> Emit:
    """What `treasury.payment.failed` says."""
    said = {
        "payment_id": payment.payment_id,
        "order_id": payment.order_id,
        "amount": json_number(payment.amount, payment.asset),
        "currency": payment.asset,
        "provider": provider,
        "reason": failure,
        "final": final,
        "sequence": payment.version,
    }
    return Emit("treasury.payment.failed", said)


def payment_of(view: View, call: GatewayCall) -> Payment:
    """The payment that a call is made for."""
    payment = view.row(Payment, call.tenant_id, call.subject_id)
    assert payment is not None
    return payment

"""What was held is let go: the payment is over once the gateway has said so."""

from collections.abc import Iterator
from typing import Any

from agents.accounting import attempts
from agents.effects import Effect, Put
from agents.gateways import collect
from agents.registry import Event, View
from tables.payments import GatewayCall, Payment


def succeeded(event: Event[Any], view: View, call: GatewayCall) -> Iterator[Effect]:
    """Nothing is held any more. Of another hold than the payment's it means nothing."""
    payment = collect.payment_of(view, call)
    is_ours = payment.call_id == call.call_id
    if is_ours and payment.status in {"processing", "requires_capture"}:
        yield from _over(payment, event.now_ms)


def failed(event: Event[Any], view: View, call: GatewayCall, failure: str) -> Iterator[Effect]:
    """It is still held, until it lapses by itself."""
    payment = collect.payment_of(view, call)
    if payment.status != "processing" or payment.call_id != call.call_id:
        return
    if event.now_ms >= payment.capture_before_ms:
        yield from _over(payment, event.now_ms)
        return
    yield Put(
        payment.replaced(status="requires_capture", failure=failure, version=payment.version + 1)
    )


def _over(payment: Payment, now_ms: int) -> Iterator[Effect]:
    lapsed = now_ms >= payment.capture_before_ms
    return attempts.ended(payment, "expired" if lapsed else "cancelled")

"""Money that a payer's bank holds for us: captured, in part or whole, or let go.

Nothing is posted for an authorization; a capture's receipt posts like any other. What is not
captured in time is let go by a call of its own, so that the payer need not wait for it to lapse.
A gateway that captures a part lets go of the rest by itself (Stripe, "Place a hold on a card").
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from agents.effects import CALL_DEADLINE_MS, CallGateway, Effect, Emit, Put, Schedule
from agents.registry import Event
from streams.money import exponent_of, format_minor, json_number
from tables.payments import Payment

CAPTURE_WITHIN_MS = 7 * 24 * 3600 * 1000
"""How long a card's hold lasts at most providers."""


class Held(NamedTuple):
    """So many minor units that a gateway holds, under its own reference."""

    gateway: str
    reference: str
    amount: int


def authorize(event: Event[Any], payment: Payment, held: Held) -> Iterator[Effect]:
    """The payer's bank holds it until it is captured, 7 days at most."""
    after = payment.replaced(
        status="requires_capture",
        provider=held.gateway,
        authorized=held.amount,
        authorization=held.reference,
        capture_before_ms=event.now_ms + CAPTURE_WITHIN_MS,
        failure="",
        next_action="",
        version=payment.version + 1,
    )
    said = {
        "payment_id": payment.payment_id,
        "order_id": payment.order_id,
        "amount": json_number(held.amount, payment.asset),
        "currency": payment.asset,
        "provider": held.gateway,
        "provider_reference": held.reference,
        "sequence": after.version,
    }
    yield Put(after)
    yield Schedule(after.capture_before_ms, "capture", payment.payment_id)
    yield Emit("treasury.payment.authorized", said)


def capture(event: Event[Any], payment: Payment, amount: int) -> Iterator[Effect]:
    """Ask for `amount` of what is held; the gateway lets go of the rest."""
    wish = Held(payment.provider, payment.authorization, amount)
    yield from _ask(payment.replaced(capturing=amount), call(event, payment, "capture", wish))


def let_go(event: Event[Any], payment: Payment) -> Iterator[Effect]:
    """Tell the gateway that nothing of it will be taken; the payment ends when it says so."""
    held = Held(payment.provider, payment.authorization, payment.authorized)
    yield from _ask(payment, call(event, payment, "void", held))


def _ask(payment: Payment, wish: CallGateway) -> Iterator[Effect]:
    yield Put(
        payment.replaced(
            status="processing",
            attempt=payment.attempt + 1,
            call_id=wish.call_id,
            version=payment.version + 1,
        )
    )
    yield wish


def call(event: Event[Any], payment: Payment, operation: str, held: Held) -> CallGateway:
    """A call about what is held. The payment waits for it only if it says so itself."""
    request = {
        "payment_id": payment.payment_id,
        "authorization": held.reference,
        "amount": format_minor(held.amount, exponent_of(payment.asset)),
        "currency": payment.asset,
    }
    call_id, deadline_ms = event.derive("call"), event.log_ms + CALL_DEADLINE_MS
    return CallGateway(call_id, held.gateway, operation, payment.payment_id, request, deadline_ms)

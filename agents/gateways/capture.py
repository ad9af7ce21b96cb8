"""A capture on its way: its money counts whenever it comes; its failure leaves what is held."""

from collections.abc import Iterator
from typing import Any

from agents.accounting import authorizations
from agents.effects import Effect, Put
from agents.gateways import collect
from agents.registry import Event, View
from tables.payments import GatewayCall


def succeeded(event: Event[Any], view: View, call: GatewayCall) -> Iterator[Effect]:
    """The provider has the money."""
    yield from collect.arrived(event, view, call, failed)


def failed(event: Event[Any], view: View, call: GatewayCall, failure: str) -> Iterator[Effect]:
    """It can be asked for again while it is held, and is let go after that."""
    payment = collect.payment_of(view, call)
    if payment.status != "processing" or payment.call_id != call.call_id:
        return
    final = event.now_ms >= payment.capture_before_ms
    held = payment.replaced(
        status="requires_capture", capturing=0, failure=failure, version=payment.version + 1
    )
    yield Put(held)
    yield collect.told_of_failure(held, call.gateway, failure, final=final)
    if final:
        yield from authorizations.let_go(event, held)

"""An attempt that only holds the payer's money: nothing is posted until it is captured."""

from collections.abc import Iterator
from typing import Any

from agents.accounting import authorizations
from agents.accounting.authorizations import Held
from agents.effects import Effect
from agents.gateways import collect
from agents.registry import Event, View
from tables.payments import GatewayCall


def succeeded(event: Event[Any], view: View, call: GatewayCall) -> Iterator[Effect]:
    """It is held. What nobody waits for any more, or of another currency, is let go at once."""
    payment, data = collect.payment_of(view, call), event.data
    asset = data.currency or payment.asset
    amount = data.amount.minor(asset) if data.amount else payment.amount
    held = Held(call.gateway, data.provider_reference or call.call_id, amount)
    waits = payment.status == "processing" and payment.call_id == call.call_id
    if waits and asset == payment.asset and amount > 0:
        yield from authorizations.authorize(event, payment, held)
        return
    yield authorizations.call(event, payment, "void", held._replace(amount=payment.amount))
    yield from failed(event, view, call, "currency_differs")


def failed(event: Event[Any], view: View, call: GatewayCall, failure: str) -> Iterator[Effect]:
    """Back to where another attempt is possible."""
    yield from collect.failed(event, view, call, failure)

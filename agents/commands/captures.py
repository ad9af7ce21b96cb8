"""Captures: take what a payer's bank holds for a payment, in part or whole."""

from agents.accounting import authorizations
from agents.commands.base import Command, answered, demand, found, same, wanted
from agents.effects import Effects
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Id
from streams.money import Amount
from tables.payments import Payment

CAPTURE = "treasury.command.payment.capture"


class CapturePayment(Command, frozen=True):
    """Take what was authorized; without an amount, all of it. What is not taken is let go."""

    payment_id: Id
    amount: Amount | None = None


@handles(CAPTURE, CapturePayment, ingress=COMMANDS)
def capture(event: Event[CapturePayment], view: View) -> Effects:
    """The gateway is asked for it; its receipt is the money."""
    data = event.data
    payment = found(view, Payment, event.tenant_id, data.payment_id)
    waits = payment.status == "requires_capture"
    demand(waits, f"payment_{payment.status}", "nothing is held for it")
    amount = wanted(data.amount, payment.asset, payment.authorized)
    words = f"{payment.authorized} minor units are"
    demand(amount <= payment.authorized, "more_than_authorized", words, 422)
    yield from authorizations.capture(event, payment, amount)
    yield from answered(same(view, Payment, event.tenant_id, payment.payment_id), 202)

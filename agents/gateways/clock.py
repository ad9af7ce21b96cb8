"""What the clock ends: intents nobody confirmed, money held that nobody captured."""

from agents.accounting import attempts
from agents.accounting.authorizations import let_go
from agents.effects import Effects, EndHold
from agents.registry import Event, View, when_due
from tables.balances import Hold
from tables.memory import Due
from tables.payments import Payment


@when_due("intent")
def intent_due(event: Event[Due], view: View) -> Effects:
    """An intent nobody confirmed expires; one in flight waits for its gateway's word."""
    payment = view.row(Payment, event.tenant_id, event.data.subject)
    if payment is not None and payment.status == "requires_action":
        yield from attempts.ended(payment, "expired")


@when_due("capture")
def capture_due(event: Event[Due], view: View) -> Effects:
    """What the payer's bank holds and nobody captured in time is let go."""
    payment = view.row(Payment, event.tenant_id, event.data.subject)
    if payment is not None and payment.status == "requires_capture":
        yield from let_go(event, payment)


@when_due("hold")
def hold_due(event: Event[Due], view: View) -> Effects:
    """A hold that nobody captured in time is released."""
    hold = view.row(Hold, event.tenant_id, event.data.subject)
    if hold is None or hold.status != "held":
        return []
    return [EndHold(hold.hold_id, expired=True)]

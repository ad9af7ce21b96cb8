"""A refund on its way: completed, failed, or done although it was given up."""

from collections.abc import Iterator
from typing import Any

from agents.accounting import refund_returns, refunds
from agents.accounting.settlements import unexplained_loss
from agents.effects import Effect, Refuse
from agents.registry import Event, View
from tables.payments import GatewayCall, Payment, Refund


def succeeded(event: Event[Any], view: View, call: GatewayCall) -> Iterator[Effect]:
    """The provider gave it back. After it was given up, somebody has to look: it is a case."""
    refund = _refund(view, call)
    if refund.status != "submitted":
        payment = view.row(Payment, call.tenant_id, refund.payment_id)
        assert payment is not None
        yield from unexplained_loss(
            event,
            view,
            refund,
            refunds.account_of(payment, refund),
            kind="refund_done_after_failure",
            subject_id=refund.refund_id,
            refunds=refund.amount,
        )
        return
    reference = event.data.provider_reference or call.call_id
    yield from refunds.complete(event, view, refund, reference)


def failed(event: Event[Any], view: View, call: GatewayCall, failure: str) -> Iterator[Effect]:
    """The provider did not give it back, for certain."""
    refund = _refund(view, call)
    if refund.status == "submitted" and refund.call_id == call.call_id:
        yield from refund_returns.fail(event, view, refund, failure)


def returned(event: Event[Any], view: View, call: GatewayCall, reason: str) -> Iterator[Effect]:
    """The payer's bank sent it back after the provider had given it (Stripe: succeeded, failed)."""
    refund = _refund(view, call)
    payment = view.row(Payment, call.tenant_id, refund.payment_id)
    assert payment is not None
    if refund.status == "failed":  # it had been done after all, as a loss
        yield from unexplained_loss(
            event,
            view,
            refund,
            refunds.account_of(payment, refund),
            kind="refund_loss_returned",
            subject_id=refund.refund_id,
            refunds=-refund.amount,
        )
        return
    if refund.status != "completed":
        yield Refuse(f"refund_{refund.status}")
        return
    yield from refund_returns.returned(event, view, refund, reason)


def _refund(view: View, call: GatewayCall) -> Refund:
    refund = view.row(Refund, call.tenant_id, call.subject_id)
    assert refund is not None
    return refund

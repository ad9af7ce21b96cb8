"""A payout on its way: completed, failed, done although it was given up, or come back."""

from collections.abc import Iterator
from typing import Any

from agents.accounting import payouts
from agents.accounting.settlements import unexplained_loss
from agents.effects import Effect, Refuse
from agents.registry import Event, View
from tables.payments import GatewayCall
from tables.payouts import Payout


def succeeded(event: Event[Any], view: View, call: GatewayCall) -> Iterator[Effect]:
    """The provider paid it. After it was given up as failed, the money is set aside once more."""
    payout, data = _payout(view, call), event.data
    if payout.status == "failed" and payouts.can_revive(view, payout):
        yield from payouts.revive(event, view, payout)
        payout = _payout(view, call)
    if payout.status != "submitted":
        yield from unexplained_loss(
            event,
            view,
            payout,
            payout.account,
            kind="payout_done_after_failure",
            subject_id=payout.payout_id,
            payouts=payout.amount,
        )
        return
    fee = data.fee.minor(payout.asset) if data.fee else 0
    yield from payouts.complete(event, view, payout, data.provider_reference or call.call_id, fee)


def failed(event: Event[Any], view: View, call: GatewayCall, failure: str) -> Iterator[Effect]:
    """The provider did not pay it, for certain."""
    payout = _payout(view, call)
    if payout.status == "submitted" and payout.call_id == call.call_id:
        yield from payouts.fail(event, view, payout, failure)


def returned(event: Event[Any], view: View, call: GatewayCall, reason: str) -> Iterator[Effect]:
    """The provider paid it and has it back (Stripe: paid turns failed; PayPal: unclaimed)."""
    payout = _payout(view, call)
    if payout.status == "failed":  # it had been done after all, as a loss
        yield from unexplained_loss(
            event,
            view,
            payout,
            payout.account,
            kind="payout_loss_returned",
            subject_id=payout.payout_id,
            payouts=-payout.amount,
        )
        return
    if payout.status != "completed":
        yield Refuse(f"payout_{payout.status}")
        return
    yield from payouts.give_back(event, view, payout, reason)


def _payout(view: View, call: GatewayCall) -> Payout:
    payout = view.row(Payout, call.tenant_id, call.subject_id)
    assert payout is not None
    return payout

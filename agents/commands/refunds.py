"""Refunds of payments, by two people above the tenant's limit; disputes as a provider tells."""

from typing import Literal

from agents.accounting import chart, disputes, refund_returns, refunds
from agents.commands.base import Command, answered, demand, found, not_below_zero, same, wanted
from agents.effects import Effects, Refuse
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Id, Metadata, OptionalId, Text
from streams.money import Amount
from tables.payments import Dispute, Payment, Refund

REFUND = "treasury.command.payment.refund"
APPROVE = "treasury.command.refund.approve"
REJECT = "treasury.command.refund.reject"
OPEN_DISPUTE = "treasury.command.dispute.open"
CLOSE_DISPUTE = "treasury.command.dispute.close"


class RefundPayment(Command, frozen=True):
    """Give money back; without an amount, all that is refundable."""

    payment_id: Id
    amount: Amount | None = None
    reason: Text = ""
    metadata: Metadata = {}


class ApproveRefund(Command, frozen=True):
    """Let a refund go that somebody else asked for."""

    refund_id: Id


class RejectRefund(Command, frozen=True):
    """Do not send a refund that waits, and why."""

    refund_id: Id
    reason: Text = ""


class OpenDispute(Command, frozen=True):
    """The payer's bank took money back; without an amount, all of the payment."""

    payment_id: Id
    amount: Amount | None = None
    fee: Amount | None = None
    reason: Text = ""
    provider_reference: OptionalId = ""


class CloseDispute(Command, frozen=True):
    """How it ended."""

    dispute_id: Id
    outcome: Literal["won", "lost"]
    fee: Amount | None = None


@handles(REFUND, RefundPayment, ingress=COMMANDS)
def refund(event: Event[RefundPayment], view: View) -> Effects:
    """From where its money is, through refund:pending, out of its gateway."""
    data = event.data
    payment = found(view, Payment, event.tenant_id, data.payment_id)
    demand(payment.received, f"payment_{payment.status}", "no money came yet")
    by_hand = "it came to a bank: pay it back by a transfer, and say what the transfer's line was"
    at_bank = all(each.provider.startswith(chart.BANK) for each in payment.receipts)
    demand(not at_bank, "refund_not_possible", by_hand, 422)
    amount = wanted(data.amount, payment.asset, payment.refundable)
    words = f"{payment.refundable} minor units are"
    demand(0 < amount <= payment.refundable, "more_than_refundable", words, 422)
    way = refunds.way_of(payment, amount)
    if way is None:
        parts = ", ".join(str(each.amount - each.back) for each in payment.receipts)
        words = f"its money came in parts; by each may go back, in minor units: {parts}"
        yield Refuse("came_in_parts", words, 422)
        return
    row = yield from refunds.request(
        event, view, payment, way, amount, reason=data.reason, by=data.actor, metadata=data.metadata
    )
    yield from answered(row, 202 if row.status == "submitted" else 201)


@handles(APPROVE, ApproveRefund, ingress=COMMANDS)
def approve(event: Event[ApproveRefund], view: View) -> Effects:
    """Somebody other than who asked for it lets it go."""
    refund = _held(event, view)
    another = refund.requested_by != event.data.actor
    demand(another, "same_person", "who asked for a refund does not approve it", 403)
    approved = refund.replaced(approved_by=event.data.actor, version=refund.version + 1)
    row = yield from refunds.send(event, view, approved)
    yield from answered(row, 202 if row.status == "submitted" else 200)


@handles(REJECT, RejectRefund, ingress=COMMANDS)
def reject(event: Event[RejectRefund], view: View) -> Effects:
    """It is not sent, and its money is where it was."""
    data, refund = event.data, _held(event, view)
    yield from refund_returns.fail(event, view, refund, data.reason or "rejected", by=data.actor)
    yield from answered(same(view, Refund, event.tenant_id, refund.refund_id))


def _held(event: Event[ApproveRefund] | Event[RejectRefund], view: View) -> Refund:
    refund = found(view, Refund, event.tenant_id, event.data.refund_id)
    waits = refund.status == "held"
    demand(waits, f"refund_{refund.status}", "it does not wait for approval")
    return refund


@handles(OPEN_DISPUTE, OpenDispute, ingress=COMMANDS)
def open_dispute(event: Event[OpenDispute], view: View) -> Effects:
    """disputes:held / gateway; one that its provider has told already is that one."""
    data = event.data
    payment = found(view, Payment, event.tenant_id, data.payment_id)
    through_others = payment.provider not in {"", "cash"}
    demand(through_others, "not_disputable", "nobody stands between us and the payer", 422)
    dispute_id = event.derive("dispute")
    if data.provider_reference:
        dispute_id = disputes.id_of(event.tenant_id, payment.provider, data.provider_reference)
        known = view.row(Dispute, event.tenant_id, dispute_id)
        if known is not None:
            same_payment = known.payment_id == payment.payment_id
            demand(same_payment, "not_disputable", "that is a dispute of another payment", 422)
            yield from answered(known)
            return
    amount = wanted(data.amount, payment.asset, payment.refundable)
    demand(0 < amount <= payment.refundable, "more_than_received", http_status=422)
    dispute = Dispute(
        event.tenant_id,
        dispute_id,
        payment.payment_id,
        payment.asset,
        amount,
        payment.account,
        reason=data.reason,
        fee=not_below_zero(data.fee, payment.asset),
        created_ms=event.now_ms,
        provider=payment.provider,
        receipt=payment.provider_reference,
    )
    yield from disputes.open_dispute(event, view, payment, dispute)
    yield from answered(dispute, 201)


@handles(CLOSE_DISPUTE, CloseDispute, ingress=COMMANDS)
def close_dispute(event: Event[CloseDispute], view: View) -> Effects:
    """Won: the money is back. Lost: expense:chargeback / disputes:held."""
    data = event.data
    dispute = found(view, Dispute, event.tenant_id, data.dispute_id)
    demand(dispute.status == "opened", f"dispute_{dispute.status}", "it is over")
    fee = not_below_zero(data.fee, dispute.asset)
    yield from disputes.close(event, view, dispute, won=data.outcome == "won", fee=fee)
    yield from answered(same(view, Dispute, event.tenant_id, dispute.dispute_id))

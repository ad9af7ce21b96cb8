"""What dispatch tells of gateway calls: granted, completed; and what the clock does about them.

requested → granted(nonce, deadline) → done. Only the holder of the granted nonce sends. A call
whose fate is unknown stays so until the provider says otherwise; a late success still counts.
"""

from typing import Any, Literal

import msgspec

from agents.accounting import chart
from agents.accounting.receipts import Receipt, counted_for, receive
from agents.effects import Delete, Effect, Effects, Emit, EndHold, Put, Refuse, Schedule
from agents.registry import INTERNAL, Event, View, handles, when_due
from streams.money import Amount, json_number
from tables.balances import Hold
from tables.memory import Due
from tables.payments import GatewayCall, Payment

MAX_GRANT_MS = 60 * 1000
CASE_AFTER_MS = 6 * 60 * 1000
"""How long after a grant's deadline "not found" may still turn into something."""


class Granted(msgspec.Struct, frozen=True):
    """Dispatch asks to be the one who sends the call."""

    call_id: str
    nonce: str
    valid_for_ms: int


class Completed(msgspec.Struct, frozen=True):
    """What the provider answered, or that it could not be known."""

    call_id: str
    nonce: str
    outcome: Literal["succeeded", "failed", "unknown"]
    provider_reference: str = ""
    amount: Amount | None = None
    currency: str = ""
    failure: str = ""
    detail: str = ""


@handles("treasury.call.granted", Granted, ingress=INTERNAL, needs_tenant=False)
def granted(event: Event[Granted], view: View) -> Effects:
    """Grant the call to the first who asks in time; everybody else is refused."""
    data = event.data
    call = view.row(GatewayCall, event.tenant_id, data.call_id)
    if call is None:
        return [Refuse("call_unknown")]
    if call.status != "requested":
        return [Refuse(f"call_{call.status}")]
    deadline_ms = event.now_ms + min(max(data.valid_for_ms, 0), MAX_GRANT_MS)
    return [
        Delete(Due(call.deadline_ms, "call", event.tenant_id, call.call_id).key),
        Put(call.replaced(status="granted", nonce=data.nonce, deadline_ms=deadline_ms)),
        Schedule(deadline_ms + CASE_AFTER_MS, "call", call.call_id),
    ]


@handles("treasury.call.completed", Completed, ingress=INTERNAL, needs_tenant=False)
def completed(event: Event[Completed], view: View) -> Effects:
    """The provider's word. Its success always counts; its failure only while we still wait."""
    data = event.data
    call = view.row(GatewayCall, event.tenant_id, data.call_id)
    if call is None or call.nonce != data.nonce:
        return [Refuse("call_unknown")]
    if call.status == "done" and call.outcome != "failed":
        return [Refuse("call_done")]
    payment = view.row(Payment, event.tenant_id, call.subject_id)
    assert payment is not None
    due = Delete(Due(call.deadline_ms + CASE_AFTER_MS, "call", event.tenant_id, call.call_id).key)
    if data.outcome == "unknown" and call.status == "unknown":
        return [due]
    if data.outcome == "unknown":
        return [due, *_unknown(call)]
    done = Put(call.replaced(status="done", outcome=data.outcome))
    if data.outcome == "failed":
        return [done, due, *_failed(event, payment, call, data.failure or "failed")]
    return [done, due, *_succeeded(event, view, payment, call)]


def _succeeded(
    event: Event[Completed], view: View, payment: Payment, call: GatewayCall
) -> list[Effect]:
    data = event.data
    asset = data.currency or payment.asset
    amount = data.amount.minor(asset) if data.amount else payment.amount
    account = chart.gateway(call.gateway)
    receipt = Receipt(call.gateway, data.provider_reference or call.call_id, account, asset, amount)
    other = counted_for(event, view, receipt)
    if other and other != payment.payment_id:
        return _reported_twice(event, payment, call, receipt, other)
    return receive(event, view, payment, receipt)


def _reported_twice(
    event: Event[Any], payment: Payment, call: GatewayCall, receipt: Receipt, other: str
) -> list[Effect]:
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
    told = Emit("treasury.reconciliation.exception", said)
    return [told, *_failed(event, payment, call, "duplicate_reference")]


def _failed(event: Event[Any], payment: Payment, call: GatewayCall, failure: str) -> list[Effect]:
    """Back to where another attempt is possible; nothing was posted, so nothing is undone."""
    if payment.status != "processing" or payment.call_id != call.call_id:
        return []
    final = event.now_ms >= payment.expires_ms
    status = "expired" if final else "requires_confirmation"
    after = payment.replaced(status=status, failure=failure, version=payment.version + 1)
    said = {
        "payment_id": payment.payment_id,
        "order_id": payment.order_id,
        "amount": json_number(payment.amount, payment.asset),
        "currency": payment.asset,
        "provider": call.gateway,
        "reason": failure,
        "final": final,
        "sequence": after.version,
    }
    return [Put(after), Emit("treasury.payment.failed", said)]


def _unknown(call: GatewayCall) -> list[Effect]:
    said = {"kind": "call_unknown", "call_id": call.call_id, "payment_id": call.subject_id}
    after = call.replaced(status="unknown", outcome="unknown")
    return [Put(after), Emit("treasury.reconciliation.exception", said)]


@when_due("call")
def call_due(event: Event[Due], view: View) -> Effects:
    """A call nobody asked for is over and can be tried again; a granted one becomes unknown."""
    call = view.row(GatewayCall, event.tenant_id, event.data.subject)
    if call is None:
        return []
    if call.status == "requested":
        payment = view.row(Payment, event.tenant_id, call.subject_id)
        assert payment is not None
        over = call.replaced(status="done", outcome="not_sent")
        return [Put(over), *_failed(event, payment, call, "gateway_unavailable")]
    if call.status == "granted":
        return _unknown(call)
    return []


@when_due("intent")
def intent_due(event: Event[Due], view: View) -> Effects:
    """An intent nobody confirmed expires; one in flight waits for its gateway's word."""
    payment = view.row(Payment, event.tenant_id, event.data.subject)
    if payment is None or payment.status != "requires_confirmation":
        return []
    return [Put(payment.replaced(status="expired", version=payment.version + 1))]


@when_due("hold")
def hold_due(event: Event[Due], view: View) -> Effects:
    """A hold that nobody captured in time is released."""
    hold = view.row(Hold, event.tenant_id, event.data.subject)
    if hold is None or hold.status != "held":
        return []
    return [EndHold(hold.hold_id, expired=True)]

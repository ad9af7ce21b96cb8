"""The life of a gateway call: granted, begun, completed; and what the clock does about it.

requested → granted(nonce, deadline) → done. Only the holder of the granted nonce sends, to the
gateway that it chose among those that may take the call. A call whose fate is unknown stays so
until the provider says otherwise; a late success still counts.
"""

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Literal

import msgspec

from agents.accounting import cases, receipts
from agents.effects import (
    CALL_FINAL_AFTER_MS,
    GRANT_MAX_MS,
    Effect,
    Effects,
    Put,
    Refuse,
    Schedule,
    Unschedule,
)
from agents.gateways import (
    anchor,
    authorize,
    capture,
    collect,
    convert,
    declare,
    payout,
    refund,
    void,
)
from agents.registry import INTERNAL, Event, View, handles, when_due
from streams.money import Amount
from tables.memory import Due
from tables.payments import GatewayCall, Payment

OPERATIONS: Mapping[str, ModuleType] = {
    "collect": collect,
    "authorize": authorize,
    "capture": capture,
    "declare": declare,
    "void": void,
    "payout": payout,
    "refund": refund,
    "anchor": anchor,
    "convert": convert,
}
"""Each has `succeeded(event, view, call)` and `failed(event, view, call, failure)`."""


RETURNING: Mapping[str, ModuleType] = {"payout": payout, "refund": refund}
"""Each has `returned(event, view, call, reason)`: after its success the money came back."""

REPEATED: Mapping[str, ModuleType] = {"declare": declare}
"""Each has `unknown(event, view, call)`: what is the same however often it is done, and moves no
money, is done again instead of asking people.
"""


class Granted(msgspec.Struct, frozen=True):
    """Dispatch asks to be the one who sends the call, to the gateway it chose, and says why."""

    call_id: str
    nonce: str
    valid_for_ms: int
    gateway: str = ""
    reason: str = ""


class Begun(msgspec.Struct, frozen=True):
    """The provider has the call under its own name, and waits for the payer.

    `payer_has_s` is how long that may take (seconds).
    """

    call_id: str
    nonce: str
    handle: str
    payer_action: str
    payer_has_s: int


class Completed(msgspec.Struct, frozen=True):
    """What the provider answered, or that it could not be known; `heard` is a digest of what made
    us ask again; `says` is what else belongs on paper, by name.
    """

    call_id: str
    nonce: str
    outcome: Literal["succeeded", "failed", "unknown"]
    provider_reference: str = ""
    amount: Amount | None = None
    currency: str = ""
    failure: str = ""
    detail: str = ""
    fee: Amount | None = None
    heard: str = ""
    says: dict[str, str] = {}


@handles("treasury.call.granted", Granted, ingress=INTERNAL, needs_tenant=False)
def granted(event: Event[Granted], view: View) -> Effects:
    """Grant the call to the first who asks in time; everybody else is refused."""
    data = event.data
    call = view.row(GatewayCall, event.tenant_id, data.call_id)
    if call is None:
        return [Refuse("call_unknown")]
    if call.status != "requested":
        return [Refuse(f"call_{call.status}")]
    gateway = data.gateway or call.gateway
    if gateway != call.gateway and gateway not in call.gateways:
        return [Refuse("gateway_not_allowed")]
    deadline_ms = event.log_ms + min(max(data.valid_for_ms, 0), GRANT_MAX_MS)
    after = call.replaced(
        status="granted",
        nonce=data.nonce,
        deadline_ms=deadline_ms,
        gateway=gateway,
        routed=data.reason,
    )
    return [
        Unschedule(call.deadline_ms, "call", call.call_id, log_time=True),
        Put(after),
        *_routed(view, after),
        Schedule(deadline_ms + CALL_FINAL_AFTER_MS, "call", call.call_id, log_time=True),
    ]


def _routed(view: View, call: GatewayCall) -> list[Put]:
    """The payment that waits for a call names the gateway, and why it is that one."""
    payment = view.row(Payment, call.tenant_id, call.subject_id) if call.routed else None
    if payment is None or payment.call_id != call.call_id:
        return []
    chosen = payment.replaced(
        provider=call.gateway, routed=call.routed, version=payment.version + 1
    )
    return [Put(chosen)]


@handles("treasury.call.begun", Begun, ingress=INTERNAL, needs_tenant=False)
def begun(event: Event[Begun], view: View) -> Effects:
    """What the payer needs is shown, and the payer is waited for."""
    data = event.data
    call = view.row(GatewayCall, event.tenant_id, data.call_id)
    if call is None or call.nonce != data.nonce:
        return [Refuse("call_unknown")]
    if call.status != "granted":
        return [Refuse(f"call_{call.status}")]
    deadline_ms = max(call.deadline_ms, event.log_ms + max(data.payer_has_s, 0) * 1000)
    effects: list[Effect] = [
        Unschedule(call.deadline_ms + CALL_FINAL_AFTER_MS, "call", call.call_id, log_time=True),
        Put(call.replaced(handle=data.handle, deadline_ms=deadline_ms)),
        Schedule(deadline_ms + CALL_FINAL_AFTER_MS, "call", call.call_id, log_time=True),
    ]
    payment = view.row(Payment, call.tenant_id, call.subject_id)
    if payment is not None and payment.call_id == call.call_id and payment.status == "processing":
        shown = payment.replaced(next_action=data.payer_action, version=payment.version + 1)
        effects.append(Put(shown))
    return effects


@handles("treasury.call.completed", Completed, ingress=INTERNAL, needs_tenant=False)
def completed(event: Event[Completed], view: View) -> Effects:
    """The provider's word. Its success always counts; its failure only while we still wait."""
    data = event.data
    call = view.row(GatewayCall, event.tenant_id, data.call_id)
    if call is None or call.nonce != data.nonce:
        yield Refuse("call_unknown")
        return
    if call.status == "done" and call.outcome != "failed":
        yield from _after_success(event, view, call)
        return
    yield Unschedule(call.deadline_ms + CALL_FINAL_AFTER_MS, "call", call.call_id, log_time=True)
    if data.outcome == "unknown":
        if call.status == "granted":  # what is known of it stays known
            yield from _unknown(event, view, call.replaced(detail=data.detail))
        return
    after = call.replaced(
        status="done",
        outcome=data.outcome,
        failure=data.failure if data.outcome == "failed" else "",
        provider_reference=data.provider_reference or call.provider_reference,
        detail=data.detail,
    )
    yield Put(after)
    yield from cases.answer(view, after)
    operation = OPERATIONS[call.operation]
    if data.outcome == "failed":
        yield from operation.failed(event, view, after, data.failure or "failed")
    else:
        yield from operation.succeeded(event, view, after)


def _after_success(event: Event[Completed], view: View, call: GatewayCall) -> Effects:
    """A call that succeeded: its receipt may come later, and what went out may come back, once."""
    data = event.data
    is_named = data.outcome == "succeeded" and bool(data.provider_reference)
    if is_named and call.counted == call.call_id:
        payment = collect.payment_of(view, call)
        yield from receipts.named(event, view, payment, call, data.provider_reference)
    elif is_named and call.operation in {"collect", "capture"} and not call.counted:
        # It was resolved, or told, under a reference that is another payment's.
        after = call.replaced(provider_reference=data.provider_reference)
        yield Put(after)
        yield from OPERATIONS[call.operation].succeeded(event, view, after)
    elif data.outcome == "failed" and call.operation in RETURNING and not call.failure:
        reason = data.failure or "returned"
        yield Put(call.replaced(failure=reason, detail=data.detail))
        yield from RETURNING[call.operation].returned(event, view, call, reason)
    else:
        yield Refuse("call_done")


def _unknown(event: Event[Any], view: View, call: GatewayCall) -> Iterator[Effect]:
    if call.counted:  # its money came by another way
        yield Put(call.replaced(status="done", outcome="succeeded"))
        return
    yield Put(call.replaced(status="unknown", outcome="unknown"))
    if call.operation in REPEATED:
        yield from REPEATED[call.operation].unknown(event, view, call)
    else:
        yield from cases.ask_about(event, view, call)


@when_due("call")
def call_due(event: Event[Due], view: View) -> Effects:
    """A call nobody asked for is over and can be tried again; a granted one becomes unknown."""
    call = view.row(GatewayCall, event.tenant_id, event.data.subject)
    if call is None:
        return
    if call.status == "requested":
        yield Put(call.replaced(status="done", outcome="not_sent", failure="gateway_unavailable"))
        yield from OPERATIONS[call.operation].failed(event, view, call, "gateway_unavailable")
    elif call.status == "granted":
        yield from _unknown(event, view, call)

"""Attempts of a payment: each is a call of its own, at one of the gateways that may take it.

A gateway that certainly did not begin leaves the attempt to the next one; whatever may have begun
is waited for, however long it takes.
"""

from collections.abc import Generator, Iterator
from typing import Any

from agents.accounting.codes import code_for
from agents.accounting.methods import CHAINS, TOLD_BY_CODE
from agents.accounting.onchain import awaited
from agents.effects import CALL_DEADLINE_MS, CallGateway, Effect, Emit, Put
from agents.registry import Event, View
from streams.money import exponent_of, format_minor, json_number
from tables.payments import GatewayCall, PayCode, Payment

NOT_BEGUN = frozenset({"not_reached", "circuit_open", "provider_busy", "not_configured"})
"""Failures that say that nothing was asked of the payer's money (connectors/guard.py)."""


def attempt(
    event: Event[Any], view: View, payment: Payment, gateways: tuple[str, ...]
) -> Generator[Effect, None, Payment]:
    """Have one of these gateways collect the payment, or hold it; the payment that waits for it."""
    call_id, gateway = event.derive("call"), gateways[0]
    code = code_for(view, event.tenant_id, call_id) if TOLD_BY_CODE & set(gateways) else ""
    if code:
        yield Put(PayCode(event.tenant_id, code, payment.invoice_id, call_id))
    rows, turn = awaited(view, payment, sorted(CHAINS & set(gateways)), call_id)
    yield from map(Put, rows)
    after = payment.replaced(
        status="processing",
        attempt=payment.attempt + 1,
        call_id=call_id,
        provider=gateway,
        next_action="",
        routed="",
        version=payment.version + 1,
    )
    yield Put(after)
    yield CallGateway(
        call_id,
        gateway,
        "authorize" if payment.capture_method == "manual" else "collect",
        payment.payment_id,
        _request(event, payment, code, turn),
        event.log_ms + CALL_DEADLINE_MS,
        gateways,
        code,
    )
    return after


def ended(payment: Payment, status: str) -> Iterator[Effect]:
    """It is `expired` or `cancelled`, and nobody is asked for it; money that comes late counts."""
    after = payment.replaced(status=status, next_action="", version=payment.version + 1)
    yield Put(after)
    said = {
        "payment_id": after.payment_id,
        "order_id": after.order_id,
        "amount": json_number(after.amount, after.asset),
        "currency": after.asset,
        "status": status,
        "failure": after.failure,
        "sequence": after.version,
    }
    yield Emit("treasury.payment.ended", said)


def _request(event: Event[Any], payment: Payment, code: str, turn: int) -> dict[str, Any]:
    """What a connector is told; `payer_has_s` is how long its payer may take (seconds), `turn` is
    which of the tenant's wallets its payer is shown on a chain, counted round.
    """
    more = {"turn": str(turn)} if turn else {}
    return {
        "payment_id": payment.payment_id,
        "amount": format_minor(payment.amount, exponent_of(payment.asset)),
        "currency": payment.asset,
        "phone": payment.phone,
        "reference": code,
        "payer_has_s": max(0, payment.expires_ms - event.now_ms) // 1000,
        **more,
    }


def left_to(call: GatewayCall, failure: str) -> tuple[str, ...]:
    """Who else may take an attempt that came to nothing; nobody if it may have begun."""
    if failure not in NOT_BEGUN or call.gateway not in call.gateways:
        return ()
    return tuple(each for each in call.gateways if each != call.gateway)

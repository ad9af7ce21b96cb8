"""What gateways tell by themselves, once it was verified (web/api/callbacks.py).

A report on a call decides nothing: dispatch reads it from the archive, asks the provider where that
is needed, and answers the call. Money without a call, and disputes, are decided here.
"""

from typing import Literal

import msgspec

from agents.accounting import deposits, disputes, methods, statements
from agents.accounting.receipts import Receipt
from agents.effects import Effects, Emit, Park, Put, Refuse
from agents.registry import WEBHOOK, Event, View, handles
from agents.words import Code, Id, OptionalId, Text
from streams.money import Amount, exponent_of, json_number, parse_minor
from tables.payments import Dispute, GatewayCall, Payment, ProviderBalance, Reference

REPORTED = "treasury.gateway.reported"
RECEIVED = "treasury.gateway.received"
DISPUTED = "treasury.gateway.disputed"
FUNDS = "treasury.gateway.funds_told"


class Reported(msgspec.Struct, frozen=True):
    """How a call stands. With `ask` it is no proof: a reason to ask the provider."""

    gateway: Id
    call_id: Id
    handle: OptionalId = ""
    outcome: Literal["succeeded", "failed", "pending"] = "pending"
    provider_reference: OptionalId = ""
    amount: Amount | None = None
    currency: Code = ""
    failure: Text = ""
    detail: str = ""
    ask: Text = ""
    raw: str = ""


class Received(msgspec.Struct, frozen=True):
    """Money that came to `account` of ours; `reference` is what its payer wrote."""

    gateway: Id
    receipt: Id
    account: OptionalId
    amount: Amount
    currency: Code
    reference: Text = ""
    payer: Text = ""
    paid_at: OptionalId = ""
    raw: str = ""


class Disputed(msgspec.Struct, frozen=True):
    """A payer's bank takes money back; `reference` is the payment's, as its success named it."""

    gateway: Id
    dispute_id: Id
    reference: Id
    state: Literal["opened", "won", "lost", "unclear"]
    amount: Amount
    currency: Code
    fee: Amount | None = None
    reason: Text = ""
    raw: str = ""


class Funds(msgspec.Struct, frozen=True):
    """One account of ours at a gateway, decimal text that may be below zero."""

    account: Id
    currency: Code
    current: Text
    available: Text


class FundsTold(msgspec.Struct, frozen=True):
    """What a gateway says that our accounts have."""

    gateway: Id
    funds: list[Funds]
    raw: str = ""


@handles(REPORTED, Reported, ingress=WEBHOOK, needs_tenant=False)
def reported(event: Event[Reported], view: View) -> Effects:
    """Kept, for dispatch to read. A call of another tenant or gateway is not known here."""
    call = view.row(GatewayCall, event.tenant_id, event.data.call_id)
    if call is None or call.gateway != event.data.gateway:
        return [Refuse("call_unknown")]
    return []


@handles(RECEIVED, Received, ingress=WEBHOOK)
def received(event: Event[Received], view: View) -> Effects:
    """Its invoice is paid, or it waits in suspense; told by another way before, nothing."""
    data = event.data
    amount = data.amount.minor(data.currency)
    if amount <= 0:
        yield Refuse("amount_not_positive", http_status=422)
        return
    account = methods.account_of(data.gateway, "collect")
    if data.gateway in methods.BANKS:
        receipt = Receipt(account, data.receipt, account, data.currency, amount)
        yield from statements.told(event, view, receipt, data.reference, data.payer)
        return
    receipt = Receipt(data.gateway, data.receipt, account, data.currency, amount)
    yield from deposits.deposit(event, view, receipt, data.reference, data.payer)


@handles(DISPUTED, Disputed, ingress=WEBHOOK)
def disputed(event: Event[Disputed], view: View) -> Effects:
    """Opened once, closed once, in whichever order that is told; what is unclear is for people."""
    data = event.data
    known = view.row(Reference, event.tenant_id, data.gateway, "in", data.reference)
    if known is None:
        key = Reference.key_of(event.tenant_id, data.gateway, "in", data.reference)
        yield Park(key, "payment_missing")
        return
    payment = view.row(Payment, event.tenant_id, known.payment_id)
    assert payment is not None
    dispute_id = disputes.id_of(event.tenant_id, data.gateway, data.dispute_id)
    dispute = view.row(Dispute, event.tenant_id, dispute_id)
    fee = data.fee.minor(data.currency) if data.fee else 0
    if dispute is None:
        asked = data.amount.minor(data.currency)
        amount = max(0, min(asked, payment.refundable))
        ours = asked > 0 and data.currency == payment.asset
        if amount < asked or not ours:
            yield _for_people(data, payment, "dispute_exceeds_payment")
        if not ours:
            return
        dispute = Dispute(
            event.tenant_id,
            dispute_id,
            payment.payment_id,
            payment.asset,
            amount,
            methods.account_of(data.gateway, "collect"),
            reason=data.reason,
            fee=fee,
            created_ms=event.now_ms,
            provider=data.gateway,
            excess=asked - amount,
            receipt=data.reference,
        )
        yield from disputes.open_dispute(event, view, payment, dispute)
        fee = 0
    if data.state in {"won", "lost"} and dispute.status == "opened":
        more = max(0, fee - dispute.fee)  # the fee is told again with the end
        yield from disputes.close(event, view, dispute, won=data.state == "won", fee=more)
    elif data.state == "unclear":
        yield _for_people(data, payment, "dispute_unclear")


def _for_people(data: Disputed, payment: Payment, kind: str) -> Emit:
    said = {
        "kind": kind,
        "payment_id": payment.payment_id,
        "provider": data.gateway,
        "provider_reference": data.reference,
        "dispute": data.dispute_id,
        "amount": json_number(data.amount.minor(data.currency), data.currency),
        "currency": data.currency,
        "reason": data.reason,
    }
    return Emit("treasury.reconciliation.exception", said)


@handles(FUNDS, FundsTold, ingress=WEBHOOK)
def funds_told(event: Event[FundsTold], view: View) -> Effects:
    """Kept beside the ledger's own balances, which it does not change."""
    for each in event.data.funds:
        key = event.data.gateway, each.account
        before = view.row(ProviderBalance, event.tenant_id, *key)
        exponent = exponent_of(each.currency)
        yield Put(
            ProviderBalance(
                event.tenant_id,
                *key,
                each.currency,
                parse_minor(each.current, exponent),
                parse_minor(each.available, exponent),
                event.now_ms,
                before.version + 1 if before else 1,
            )
        )

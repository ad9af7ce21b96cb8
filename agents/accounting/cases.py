"""Money without a home: account / suspense and a case, until somebody or a later event places it.

A call whose outcome nobody knows has a case too, of no amount: its money is where it was.

Guarantee: suspense = Σ open cases, after every entry.
"""

from collections.abc import Iterator
from typing import Any

from agents.accounting import chart
from agents.effects import Effect, Emit, Post, Put
from agents.registry import Event, View
from streams.journal import Posting
from streams.money import json_number
from tables.payments import Case, Credit, GatewayCall, Payment, Refund
from tables.payouts import Payout

CALL_UNKNOWN = "call_unknown"


def dimensions(**names: str) -> dict[str, str]:
    """Posting dimensions without the empty ones."""
    return {name: value for name, value in names.items() if value}


def open_case(
    event: Event[Any],
    *,
    kind: str,
    account: str,
    asset: str,
    amount: int,
    payment_id: str = "",
    order_id: str = "",
) -> Iterator[Effect]:
    """Account / suspense, a case for it, and its event."""
    case = Case(
        event.tenant_id,
        event.derive("case"),
        kind,
        asset,
        amount,
        payment_id,
        order_id,
        opened_ms=event.now_ms,
    )
    where = dimensions(order=order_id, case=case.case_id)
    yield Post(
        [Posting(account, asset, amount, where), Posting(chart.SUSPENSE, asset, -amount, where)]
    )
    yield Put(case)
    told_case = {
        "kind": kind,
        "case_id": case.case_id,
        "amount": json_number(amount, asset),
        "currency": asset,
        "payment_id": payment_id,
        "order_id": order_id,
    }
    yield Emit("treasury.reconciliation.exception", told_case)


def close_case(case: Case, resolution: str, amount: int | None = None) -> Put:
    """The case after `amount` of it (default: all) found a home; the rest stays open."""
    used = case.amount if amount is None else amount
    if used < case.amount:
        return Put(case.replaced(amount=case.amount - used))
    return Put(case.replaced(status="closed", resolution=resolution))


def ask_about(event: Event[Any], view: View, call: GatewayCall) -> Iterator[Effect]:
    """A case for a call whose outcome nobody knows, under the call's own id, and its event."""
    payment = view.row(Payment, call.tenant_id, call.subject_id)
    subject = (
        payment
        or view.row(Payout, call.tenant_id, call.subject_id)
        or view.row(Refund, call.tenant_id, call.subject_id)
    )
    case = Case(
        call.tenant_id,
        call.call_id,
        CALL_UNKNOWN,
        subject.asset if subject is not None else view.tenant(call.tenant_id).currency,
        0,
        payment.payment_id if payment else "",
        opened_ms=event.now_ms,
        call_id=call.call_id,
    )
    yield Put(case)
    said = {
        "kind": case.kind,
        "case_id": case.case_id,
        "call_id": call.call_id,
        "operation": call.operation,
        "payment_id": call.subject_id,
    }
    yield Emit("treasury.reconciliation.exception", said)


def answer(view: View, call: GatewayCall) -> Iterator[Put]:
    """What was asked about a call is known now: how it ended, whatever people said before."""
    case = view.row(Case, call.tenant_id, call.call_id)
    if case is not None and case.resolution != call.outcome:
        yield Put(case.replaced(status="closed", resolution=call.outcome))


def give_credit(
    event: Event[Any], view: View, customer_id: str, asset: str, amount: int
) -> Iterator[Effect]:
    """The customer's credit grows, or shrinks by an amount below zero; posts nothing."""
    credit = view.row(Credit, event.tenant_id, customer_id, asset)
    if credit is None:
        credit = Credit(event.tenant_id, customer_id, asset, 0, version=0)
    yield Put(credit.replaced(amount=credit.amount + amount, version=credit.version + 1))

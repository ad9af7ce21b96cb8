"""Refunds that fail, or that the payer's bank sends back: all is where it was taken from.

What was taken from a till's share that gave way since pays its order's own invoice instead.
"""

from collections.abc import Generator, Iterator
from typing import Any

from agents.accounting import chart, settlements, tax_documents
from agents.accounting.cases import give_credit
from agents.accounting.crediting import note
from agents.accounting.invoicing import overpaid, settle
from agents.accounting.refunds import (
    account_of,
    by_subject,
    meant_invoice,
    moved,
    of_invoices,
    of_payment,
    put_moved,
    share_of,
    through_clearing,
)
from agents.effects import Effect, Emit, Post, Put
from agents.registry import Event, View
from streams.journal import Posting
from streams.money import json_number
from tables.invoices import Invoice
from tables.payments import Case, Payment, Placement, Refund, Taken


def returned(event: Event[Any], view: View, refund: Refund, reason: str) -> Iterator[Effect]:
    """It was with the payer's bank, which sent it back: gateway / refund:pending, and then it has
    failed.
    """
    payment = view.row(Payment, event.tenant_id, refund.payment_id)
    assert payment is not None
    where, account = of_payment(payment), account_of(payment, refund)
    yield Post(
        [
            Posting(account, refund.asset, refund.amount, where),
            Posting(chart.REFUND_PENDING, refund.asset, -refund.amount, where),
        ]
    )
    yield from settlements.collect(
        event,
        view,
        provider=refund.provider,
        account=account,
        asset=refund.asset,
        refunds=-refund.amount,
    )
    yield Put(
        payment.replaced(
            refund_pending=payment.refund_pending + refund.amount,
            refunded=payment.refunded - refund.amount,
            version=payment.version + 1,
        )
    )
    left = payment.refunded - refund.amount
    for invoice, amount in of_invoices(view, refund, left):
        if invoice.status != "void":  # else its order's own invoice has told the whole sale
            named = invoice.tax_document_id
            yield from tax_documents.uncredit(event, view, named, amount, reason=reason)
    yield from fail(event, view, refund, reason, kind="refund_returned")


def fail(
    event: Event[Any],
    view: View,
    refund: Refund,
    failure: str,
    *,
    by: str = "",
    kind: str = "refund_failed",
) -> Iterator[Effect]:
    """It was not given back, for certain: everything is where it was.

    Who has to look is told, unless it was stopped `by` a person.
    """
    payment = view.row(Payment, event.tenant_id, refund.payment_id)
    assert payment is not None
    where = of_payment(payment)
    back = [part for part in refund.taken if not _gave_way(view, event.tenant_id, part)]
    legs = [Posting(part.account, refund.asset, -part.amount, where) for part in back]
    amount = sum(part.amount for part in back)
    if amount:
        yield Post([Posting(chart.REFUND_PENDING, refund.asset, amount, where), *legs])
    placements = list(payment.placements)
    for placement in by_subject(refund):
        if placement.kind == "quoted":
            yield from _restore_quoted(event, view, payment, placements, placement)
        elif _gave_way(view, event.tenant_id, placement):
            own = meant_invoice(view, event.tenant_id, placement.subject)
            money = Posting(chart.REFUND_PENDING, refund.asset, placement.amount, where)
            placements += yield from _pay_instead(event, view, own, money)
        else:
            yield from _restore(event, view, refund.asset, placement)
            placements.append(placement)
    yield Put(
        payment.replaced(
            refund_pending=payment.refund_pending - refund.amount,
            placements=tuple(placements),
            came=payment.gives_back(refund.provider, refund.receipt, -refund.amount),
            version=payment.version + 1,
        )
    )
    after = refund.replaced(
        status="failed", failure=failure, approved_by=by, version=refund.version + 1
    )
    yield Put(after)
    if by:
        return
    said = {
        "kind": kind,
        "refund_id": refund.refund_id,
        "payment_id": refund.payment_id,
        "amount": json_number(refund.amount, refund.asset),
        "currency": refund.asset,
        "reason": failure,
    }
    yield Emit("treasury.reconciliation.exception", said)


def _restore(event: Event[Any], view: View, asset: str, placement: Placement) -> Iterator[Effect]:
    kind, subject, amount = placement.kind, placement.subject, placement.amount
    if kind == "credit":
        yield from give_credit(event, view, subject, asset, amount)
    elif kind == "case":
        case = view.row(Case, event.tenant_id, subject)
        assert case is not None
        again = case.amount + amount if case.status == "open" else amount
        yield Put(case.replaced(status="open", resolution="", amount=again))
    else:
        yield from put_moved(view, meant_invoice(view, event.tenant_id, subject), amount)


def _restore_quoted(
    event: Event[Any], view: View, payment: Payment, placements: list[Placement], back: Placement
) -> Iterator[Effect]:
    """The other way; the payment has one such placement again."""
    there = sum(each.amount for each in placements if each.kind == "quoted")
    part = share_of(payment, there + back.amount) - share_of(payment, there)
    invoice = meant_invoice(view, event.tenant_id, back.subject)
    if _gave_way(view, event.tenant_id, Placement("invoice", back.subject, part)):
        money = Posting(chart.FX_CLEARING, invoice.asset, part, of_payment(payment))
        yield from _pay_instead(event, view, invoice, money)
    else:
        before = moved(invoice, part)
        yield from through_clearing(payment, invoice, note(before, part), -1)
        yield from put_moved(view, invoice, part)
    placements[:] = [each for each in placements if each.kind != "quoted"]
    placements.append(Placement("quoted", back.subject, there + back.amount))


def _gave_way(view: View, tenant_id: str, part: Taken | Placement) -> bool:
    """Whether it was taken from a till's share, and the order's own invoice took its place since.

    That one stays open for what was taken then (sales.py): what is not given back pays it.
    """
    if part.kind != "invoice":
        return False
    invoice = view.row(Invoice, tenant_id, part.subject)
    return invoice is not None and invoice.status == "void"


def _pay_instead(
    event: Event[Any], view: View, own: Invoice, money: Posting
) -> Generator[Effect, None, list[Placement]]:
    """Money of a share that gave way pays its order's own invoice; where it is then."""
    own, effects, rest = settle(own, money.account, money.minor, money.dimensions)
    yield from effects
    placed = []
    if money.minor > rest:
        placed.append(Placement("invoice", own.invoice_id, money.minor - rest))
    if rest:
        payment_id = money.dimensions.get("payment", "")
        over = yield from overpaid(event, view, own, money.account, rest, payment_id=payment_id)
        placed.append(over)
    return placed

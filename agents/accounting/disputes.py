"""Disputes: disputes:held / gateway while it is open; won, it comes back; lost, it is our cost.

Lost: expense:chargeback / disputes:held. The provider's fee is ours either way: fees / gateway.
What it took beyond what is refundable is suspense:out / gateway, for a person unless it is won.
While a payment is disputed its invoices are not asked for. Guarantee: disputes:held = Σ open ones.
"""

from collections.abc import Iterator
from typing import Any

from agents.accounting import chart, dunning, settlements
from agents.accounting.refunds import of_payment
from agents.effects import Effect, Emit, Post, Put
from agents.registry import Event, View
from streams.ids import derive
from streams.journal import Posting
from streams.money import json_number
from tables.invoices import Invoice
from tables.payments import Dispute, Payment

CHARGEBACK = chart.expense("chargeback")


def id_of(tenant_id: str, provider: str, name: str) -> str:
    """The id of the dispute that a provider calls so, whoever says it first."""
    return derive(tenant_id, f"{provider}/{name}", "dispute", 0)


def open_dispute(
    event: Event[Any], view: View, payment: Payment, dispute: Dispute
) -> Iterator[Effect]:
    """The provider took the money back, and its fee."""
    whole, where = dispute.amount + dispute.excess, of_payment(payment)
    legs = [
        Posting(chart.DISPUTES_HELD, dispute.asset, dispute.amount, where),
        Posting(chart.SUSPENSE_OUT, dispute.asset, dispute.excess, where),
        *_fee(payment, dispute, dispute.fee),
        Posting(dispute.account, dispute.asset, -whole, where),
    ]
    yield Post([leg for leg in legs if leg.minor])
    yield from _collected(event, view, dispute, disputes=whole, fees=dispute.fee)
    disputed = payment.disputed + dispute.amount
    came = payment.gives_back(dispute.provider, dispute.receipt, dispute.amount)
    yield Put(payment.replaced(disputed=disputed, came=came, version=payment.version + 1))
    invoices = tuple(_invoices(view, payment))
    yield Put(dispute.replaced(invoices=tuple(each.invoice_id for each in invoices)))
    for invoice in invoices:
        count = invoice.disputes + 1
        yield Put(invoice.replaced(disputed=True, disputes=count, version=invoice.version + 1))
    yield Emit("treasury.dispute.opened", told(dispute))


def close(
    event: Event[Any], view: View, dispute: Dispute, *, won: bool, fee: int
) -> Iterator[Effect]:
    """It is decided. Money that was lost is given back for good, as a refund is."""
    payment = view.row(Payment, event.tenant_id, dispute.payment_id)
    assert payment is not None
    to, where = dispute.account if won else CHARGEBACK, of_payment(payment)
    back = dispute.excess if won else 0
    legs = [
        Posting(to, dispute.asset, dispute.amount + back, where),
        *_fee(payment, dispute, fee),
        Posting(chart.SUSPENSE_OUT, dispute.asset, -back, where),
        Posting(chart.DISPUTES_HELD, dispute.asset, -dispute.amount, where),
    ]
    legs = [leg for leg in legs if leg.minor]
    if legs:
        yield Post(legs)
    taken_back = -dispute.amount - back if won else 0
    if taken_back or fee:
        yield from _collected(event, view, dispute, disputes=taken_back, fees=fee)
    if won:
        disputed = payment.disputed - dispute.amount
        came = payment.gives_back(dispute.provider, dispute.receipt, -dispute.amount)
        yield Put(payment.replaced(disputed=disputed, came=came, version=payment.version + 1))
    after = dispute.replaced(
        status="won" if won else "lost", fee=dispute.fee + fee, version=dispute.version + 1
    )
    yield Put(after)
    yield from _rests_no_more(event, view, payment, dispute)
    yield Emit("treasury.dispute.closed", told(after))


def _fee(payment: Payment, dispute: Dispute, fee: int) -> list[Posting]:
    if not fee:
        return []
    where = of_payment(payment)
    return [
        Posting(chart.fees(dispute.provider), dispute.asset, fee, where),
        Posting(dispute.account, dispute.asset, -fee, where),
    ]


def _collected(event: Event[Any], view: View, dispute: Dispute, **items: int) -> Iterator[Effect]:
    """Of the gateway that took it: money of one payment may have come by several."""
    yield from settlements.collect(
        event,
        view,
        provider=dispute.provider,
        account=dispute.account,
        asset=dispute.asset,
        **items,
    )


def _invoices(view: View, payment: Payment) -> Iterator[Invoice]:
    """What the payment paid, each once."""
    placed = (each for each in payment.placements if each.kind in {"invoice", "quoted"})
    for invoice_id in dict.fromkeys(each.subject for each in placed):
        invoice = view.row(Invoice, payment.tenant_id, invoice_id)
        if invoice is not None:
            yield invoice


def _rests_no_more(
    event: Event[Any], view: View, payment: Payment, dispute: Dispute
) -> Iterator[Effect]:
    """Its invoices are asked for again, unless another dispute of theirs is open."""
    counted = [view.row(Invoice, event.tenant_id, each) for each in dispute.invoices]
    # One that was opened before invoices counted theirs names none.
    for invoice in counted or _invoices(view, payment):
        if invoice is None:
            continue
        count = max(0, invoice.disputes - len(counted[:1]))
        if (invoice.disputed, invoice.disputes) == (count > 0, count):
            continue
        after = invoice.replaced(disputed=count > 0, disputes=count, version=invoice.version + 1)
        yield Put(after)
        if not after.disputed and after.outstanding:
            yield from dunning.next_moment(after, view.tenant(event.tenant_id), event.now_ms)


def told(dispute: Dispute) -> dict[str, Any]:
    """What our dispute events say."""
    return {
        "dispute_id": dispute.dispute_id,
        "payment_id": dispute.payment_id,
        "amount": json_number(dispute.amount, dispute.asset),
        "currency": dispute.asset,
        "status": dispute.status,
        "reason": dispute.reason,
        "fee": json_number(dispute.fee, dispute.asset),
        "sequence": dispute.version,
    }

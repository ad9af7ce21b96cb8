"""Disputes: disputes:held / gateway while it is open; won, it comes back; lost, it is our cost.

Lost: expense:chargeback / disputes:held. The provider's fee is ours either way: fees / gateway.
While a payment is disputed its invoices are not asked for. Guarantee: disputes:held = Σ open ones.
"""

from collections.abc import Iterator
from typing import Any

from agents.accounting import chart, dunning, settlements
from agents.accounting.refunds import of_payment
from agents.effects import Effect, Emit, Post, Put
from agents.registry import Event, View
from streams.journal import Posting
from streams.money import json_number
from tables.invoices import Invoice
from tables.payments import Dispute, Payment

CHARGEBACK = chart.expense("chargeback")


def open_dispute(
    event: Event[Any], view: View, payment: Payment, dispute: Dispute
) -> Iterator[Effect]:
    """The provider took the money back, and its fee."""
    yield Post(
        [
            Posting(chart.DISPUTES_HELD, dispute.asset, dispute.amount, of_payment(payment)),
            *_fee(payment, dispute, dispute.fee),
            Posting(dispute.account, dispute.asset, -dispute.amount, of_payment(payment)),
        ]
    )
    yield from _collected(event, view, dispute, disputes=dispute.amount, fees=dispute.fee)
    disputed = payment.disputed + dispute.amount
    yield Put(payment.replaced(disputed=disputed, version=payment.version + 1))
    yield Put(dispute)
    yield from _flag(event, view, payment, disputed=True)
    yield Emit("treasury.dispute.opened", told(dispute))


def close(
    event: Event[Any], view: View, dispute: Dispute, *, won: bool, fee: int
) -> Iterator[Effect]:
    """It is decided. Money that was lost is given back for good, as a refund is."""
    payment = view.row(Payment, event.tenant_id, dispute.payment_id)
    assert payment is not None
    to = dispute.account if won else CHARGEBACK
    yield Post(
        [
            Posting(to, dispute.asset, dispute.amount, of_payment(payment)),
            *_fee(payment, dispute, fee),
            Posting(chart.DISPUTES_HELD, dispute.asset, -dispute.amount, of_payment(payment)),
        ]
    )
    taken_back = -dispute.amount if won else 0
    if taken_back or fee:
        yield from _collected(event, view, dispute, disputes=taken_back, fees=fee)
    if won:
        disputed = payment.disputed - dispute.amount
        yield Put(payment.replaced(disputed=disputed, version=payment.version + 1))
    after = dispute.replaced(
        status="won" if won else "lost", fee=dispute.fee + fee, version=dispute.version + 1
    )
    yield Put(after)
    yield from _flag(event, view, payment, disputed=False)
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


def _flag(event: Event[Any], view: View, payment: Payment, *, disputed: bool) -> Iterator[Effect]:
    tenant = view.tenant(event.tenant_id)
    for placement in payment.placements:
        if placement.kind not in {"invoice", "quoted"}:
            continue
        invoice = view.row(Invoice, event.tenant_id, placement.subject)
        if invoice is not None and invoice.disputed != disputed:
            yield Put(invoice.replaced(disputed=disputed, version=invoice.version + 1))
            if not disputed and invoice.outstanding:
                yield from dunning.next_moment(invoice, tenant, event.now_ms)


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

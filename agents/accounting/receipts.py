"""Money that arrived for a payment: where it goes. Counted once, and never lost for being late.

gateway / receivable while its invoice is open; the rest is the customer's credit or, without a
home, suspense and a case.
"""

from collections.abc import Generator, Iterator
from typing import Any

import msgspec

from agents.accounting import chart, drawers, settlements
from agents.accounting.cases import close_case, dimensions, open_case
from agents.accounting.invoicing import overpaid, replaced_case, settle
from agents.effects import Effect, Emit, Post, Put
from agents.registry import Event, View
from streams.journal import Posting
from streams.money import json_number
from tables.invoices import Invoice, Order
from tables.payments import Came, Case, GatewayCall, Payment, Placement, Reference, Refund
from tables.payouts import Payout

OVER = frozenset({"succeeded", "expired", "cancelled"})
"""States in which money that comes is late."""


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What a provider (or a till) proved: `amount` minor units of `asset` on `account`."""

    provider: str
    reference: str
    account: str
    asset: str
    amount: int


def counted_for(event: Event[Any], view: View, receipt: Receipt) -> str:
    """The id of the payment that the receipt's reference was counted for; empty if for none."""
    known = view.row(Reference, event.tenant_id, receipt.provider, "in", receipt.reference)
    return known.payment_id if known else ""


def sent(view: View, row: Payout | Refund, row_id: str, reference: str) -> Iterator[Effect]:
    """What went out under a provider's reference, for its statement; the first under it stays."""
    if view.row(Reference, row.tenant_id, row.provider, "out", reference) is None:
        about = row.provider, "out", reference, row_id, row.amount
        yield Put(Reference(row.tenant_id, *about, asset=row.asset))


def receive(
    event: Event[Any], view: View, payment: Payment, receipt: Receipt
) -> Generator[Effect, None, Payment]:
    """All effects of a proven receipt, none if its reference was counted before; the payment.

    Money of another currency than was asked for pays nothing: it is a case.
    """
    if counted_for(event, view, receipt):
        return payment
    if receipt.asset != payment.asset:
        yield from _of_another_currency(event, view, payment, receipt)
        return payment
    yield Put(_reference(receipt, payment))
    placements = yield from _place(event, view, payment, receipt)
    settlement_id = yield from _banked(event, view, receipt)
    return (yield from _received(event, payment, receipt, placements, settlement_id))


def _reference(receipt: Receipt, payment: Payment) -> Reference:
    about = receipt.provider, "in", receipt.reference, payment.payment_id, receipt.amount
    return Reference(payment.tenant_id, *about, asset=receipt.asset)


def _received(
    event: Event[Any],
    payment: Payment,
    receipt: Receipt,
    placements: list[Placement],
    settlement_id: str,
) -> Generator[Effect, None, Payment]:
    has = payment.received - payment.taken_back
    has_money = payment.status == "succeeded" and has > 0
    late = payment.status in OVER and not (has_money and has < payment.amount)
    brought = Came(receipt.provider, receipt.reference, receipt.account, receipt.amount)
    after = payment.replaced(
        received=payment.received + receipt.amount,
        came=(*payment.receipts, brought) if has_money else (brought,),
        placements=(*payment.placements, *placements),
        version=payment.version + 1,
    )
    if not has_money:
        # A second receipt of one payment has a home now too, but its first stands.
        after = after.replaced(
            status="succeeded",
            provider=receipt.provider,
            provider_reference=receipt.reference,
            account=receipt.account,
            failure="",
            next_action="",
            settlement_id=settlement_id,
            received_ms=event.now_ms,
        )
    yield Emit("treasury.payment.success", _told(after, receipt, late=late))
    yield Put(after)
    return after


def unclaimed(view: View, tenant_id: str, payment_id: str, amount: int) -> Case | None:
    """The case of a deposit that meant nothing to us, if it is of so much and nobody has done
    anything about it yet.

    A till's payments come with no reference at all: what they were for, its push says.
    """
    payment = view.row(Payment, tenant_id, payment_id)
    if payment is None or payment.attempt or payment.order_id or len(payment.placements) != 1:
        return None
    [placed] = payment.placements
    case = view.row(Case, tenant_id, placed.subject) if placed.kind == "case" else None
    if case is None or case.status != "open" or not payment.refundable == case.amount == amount:
        return None
    return case


def claim(
    event: Event[Any], view: View, payment: Payment, receipt: Receipt, case: Case
) -> Iterator[Effect]:
    """An unclaimed deposit is what came for a payment: suspense / receivable, its case closed."""
    yield close_case(case, "applied")
    yield from replaced_case(view, case, [Placement("payment", payment.payment_id, case.amount)])
    source = msgspec.structs.replace(receipt, account=chart.SUSPENSE)
    placements = yield from _place(event, view, payment, source)
    deposit = view.row(Payment, event.tenant_id, case.payment_id)
    settlement_id = deposit.settlement_id if deposit else ""
    yield from _received(event, payment, receipt, placements, settlement_id)


def _uncounted(event: Event[Any], view: View, payment: Payment, case: Case) -> Iterator[Effect]:
    """An unclaimed deposit is what was counted for a payment already: suspense / gateway."""
    where = dimensions(payment=payment.payment_id, case=case.case_id)
    yield Post(
        [
            Posting(chart.SUSPENSE, case.asset, case.amount, where),
            Posting(payment.account, case.asset, -case.amount, where),
        ]
    )
    yield from settlements.collect(
        event,
        view,
        provider=payment.provider,
        account=payment.account,
        asset=case.asset,
        gross=-case.amount,
    )
    yield close_case(case, "duplicate")
    yield from replaced_case(view, case, [Placement("payment", payment.payment_id, case.amount)])


def named(
    event: Event[Any], view: View, payment: Payment, call: GatewayCall, reference: str
) -> Iterator[Effect]:
    """The receipt of money that was counted before anybody knew it: told again, it is known.

    The money stays where it is; only its name changes. A receipt that was counted by itself, for
    want of anything that joined the two, was counted twice: in suspense it is taken back, and where
    somebody has moved it on, people have to look.
    """
    known = view.row(Reference, event.tenant_id, call.gateway, "in", reference)
    if known is None:
        about = call.gateway, "in", reference, payment.payment_id
        before = view.row(Reference, event.tenant_id, call.gateway, "in", call.call_id)
        yield Put(Reference(event.tenant_id, *about, before.amount if before else 0))
        yield from _bears(payment, call, reference)
        return
    case = unclaimed(view, event.tenant_id, known.payment_id, payment.received)
    if case is not None and payment.account:
        yield from _uncounted(event, view, payment, case)
        yield from _bears(payment, call, reference)
        return
    said = {
        "kind": "counted_twice",
        "call_id": call.call_id,
        "payment_id": payment.payment_id,
        "counted_for": known.payment_id,
        "provider": call.gateway,
        "provider_reference": reference,
    }
    yield Emit("treasury.reconciliation.exception", said)
    yield Put(call.replaced(provider_reference=reference, counted=reference))


def _bears(payment: Payment, call: GatewayCall, reference: str) -> Iterator[Effect]:
    yield Put(call.replaced(provider_reference=reference, counted=reference))
    came = tuple(
        msgspec.structs.replace(each, reference=reference)
        if (each.provider, each.reference) == (call.gateway, call.call_id)
        else each
        for each in payment.came
    )
    if payment.provider_reference == call.call_id:
        payment = payment.replaced(provider_reference=reference)
    elif came == payment.came:
        return
    yield Put(payment.replaced(came=came, version=payment.version + 1))


def _of_another_currency(
    event: Event[Any], view: View, payment: Payment, receipt: Receipt
) -> Iterator[Effect]:
    yield Put(_reference(receipt, payment))
    yield from open_case(
        event,
        kind="currency_differs",
        account=receipt.account,
        asset=receipt.asset,
        amount=receipt.amount,
        order_id=payment.order_id,
    )
    yield from _banked(event, view, receipt)


def _banked(event: Event[Any], view: View, receipt: Receipt) -> Generator[Effect, None, str]:
    """Cash is in a drawer, money at a bank has arrived; else it is in its provider's settlement."""
    outlet = chart.outlet_of(receipt.account)
    if outlet is not None:
        yield from drawers.moved(event, view, outlet, receipt.asset, receipt.amount)
        return ""
    return (
        yield from settlements.collect(
            event,
            view,
            provider=receipt.provider,
            account=receipt.account,
            asset=receipt.asset,
            gross=receipt.amount,
        )
    )


def _place(
    event: Event[Any], view: View, payment: Payment, receipt: Receipt
) -> Generator[Effect, None, list[Placement]]:
    order = None
    if payment.order_id:
        order = view.row(Order, event.tenant_id, payment.order_id)
        order = order or Order(event.tenant_id, payment.order_id)
    invoice = _invoice(view, payment, order)
    if invoice is not None and _fits_the_quote(payment, receipt, invoice):
        return (yield from _converted(payment, receipt, invoice))
    if invoice is None or invoice.asset != receipt.asset:
        yield from _suspend(event, payment, receipt, order)
        return [Placement("case", event.derive("case"), receipt.amount)]
    where = dimensions(
        order=invoice.order_id, party=invoice.customer_id, payment=payment.payment_id
    )
    after, effects, rest = settle(invoice, receipt.account, receipt.amount, where)
    yield from effects
    placed = []
    if rest < receipt.amount:
        placed.append(Placement("invoice", invoice.invoice_id, receipt.amount - rest))
    if rest:
        account, payment_id = receipt.account, payment.payment_id
        over = yield from overpaid(event, view, after, account, rest, payment_id=payment_id)
        placed.append(over)
    return placed


def _fits_the_quote(payment: Payment, receipt: Receipt, invoice: Invoice) -> bool:
    """Whether the money is what was quoted, and its invoice still owes as much; else somebody has
    to look at it.
    """
    return (
        payment.quoted_asset == invoice.asset
        and receipt.amount == payment.amount
        and payment.received == payment.taken_back
        and 0 < payment.quoted <= invoice.outstanding
    )


def _converted(
    payment: Payment, receipt: Receipt, invoice: Invoice
) -> Generator[Effect, None, list[Placement]]:
    """Gateway / fx:clearing in what came, fx:clearing / receivable in the invoice's currency."""
    where = dimensions(
        order=invoice.order_id, party=invoice.customer_id, payment=payment.payment_id
    )
    yield Post(
        [
            Posting(receipt.account, receipt.asset, receipt.amount, where),
            Posting(chart.FX_CLEARING, receipt.asset, -receipt.amount, where),
        ]
    )
    _, effects, _ = settle(invoice, chart.FX_CLEARING, payment.quoted, where)
    yield from effects
    return [Placement("quoted", invoice.invoice_id, receipt.amount)]


def _invoice(view: View, payment: Payment, order: Order | None) -> Invoice | None:
    """The invoice meant: the payment's own, unless voided for its order's present one."""
    for invoice_id in (payment.invoice_id, order.invoice_id if order else ""):
        if invoice_id:
            invoice = view.row(Invoice, payment.tenant_id, invoice_id)
            if invoice is not None and invoice.status not in {"void", "draft"}:
                return invoice
    return None


def _suspend(
    event: Event[Any], payment: Payment, receipt: Receipt, order: Order | None
) -> Iterator[Effect]:
    yield from open_case(
        event,
        kind="unmatched_payment",
        account=receipt.account,
        asset=receipt.asset,
        amount=receipt.amount,
        payment_id=payment.payment_id,
        order_id=payment.order_id,
    )
    if order is not None:
        yield Put(order.replaced(unapplied=[*order.unapplied, event.derive("case")]))


def _told(payment: Payment, receipt: Receipt, *, late: bool) -> dict[str, Any]:
    return {
        "payment_id": payment.payment_id,
        "order_id": payment.order_id,
        "amount": json_number(receipt.amount, receipt.asset),
        "provider_reference": receipt.reference,
        "currency": receipt.asset,
        "provider": receipt.provider,
        "invoice_id": payment.invoice_id,
        "late": late,
        "sequence": payment.version,
    }

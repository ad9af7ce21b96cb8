"""Refunds: money goes back from where it was placed, through refund:pending, out of its gateway.

From an invoice: revenue + tax:output / refund:pending, which is a credit note of the refunded part.
From a customer's credit, or a case: customer:credit or suspense / refund:pending. Above the limit
of the tenant it is held until somebody else approves. The provider's fee stays. What fails or comes
back is where it was (refund_returns.py). Refundable = received - refunded - pending - disputed.
Guarantee: refund:pending = Σ refunds in flight.
"""

from collections.abc import Generator, Iterator
from typing import Any

from agents.accounting import chart, deferral, drawers, settlements, tax_documents
from agents.accounting.accounts import afford
from agents.accounting.cases import close_case, dimensions, give_credit
from agents.accounting.crediting import note
from agents.accounting.invoicing import stated
from agents.accounting.receipts import sent
from agents.effects import CALL_DEADLINE_MS, CallGateway, Effect, Emit, Post, Put, Refuse
from agents.registry import Event, View
from streams.journal import Posting
from streams.money import exponent_of, format_minor, half_up, json_number
from tables.invoices import Invoice, Order
from tables.payments import Came, Case, Credit, Payment, Placement, Refund, Taken

_OF_OTHERS = frozenset({"payment", "settlement", "entry", "account", "other_line"})
MOVED = Refuse("refund_not_possible", "somebody moved the payment's money meanwhile")


def way_of(payment: Payment, amount: int) -> Came | None:
    """The first receipt by whose way so much can go back; none goes back to a bank by itself."""
    ours = (each for each in payment.receipts if not each.provider.startswith(chart.BANK))
    return next((each for each in ours if each.amount - each.back >= amount), None)


def request(
    event: Event[Any],
    view: View,
    payment: Payment,
    way: Came,
    amount: int,
    *,
    reason: str,
    by: str,
    metadata: dict[str, str],
) -> Generator[Effect, None, Refund]:
    """Take `amount` (refundable) from where the payment's money is, newest place first.

    It goes back the `way` that it came: at once, unless somebody other than `by` must approve it.
    """
    where = of_payment(payment)
    taken: list[Taken] = []
    left, kept = amount, list[Placement]()
    for placement in reversed(payment.placements):
        part = min(left, _there(view, payment, placement))
        if part:
            taken += yield from _take(event, view, payment, placement, part)
        left -= part
        if placement.amount > part:
            kept.append(Placement(placement.kind, placement.subject, placement.amount - part))
    if left:
        yield MOVED
    legs = [Posting(part.account, payment.asset, part.amount, where) for part in taken]
    yield Post([*legs, Posting(chart.REFUND_PENDING, payment.asset, -amount, where)])
    yield Put(
        payment.replaced(
            refund_pending=payment.refund_pending + amount,
            placements=tuple(reversed(kept)),
            came=payment.gives_back(way.provider, way.reference, amount),
            version=payment.version + 1,
        )
    )
    refund = Refund(
        event.tenant_id,
        event.derive("refund"),
        payment.payment_id,
        payment.asset,
        amount,
        tuple(taken),
        status="held",
        reason=reason,
        provider=way.provider,
        created_ms=event.now_ms,
        requested_by=by,
        metadata=metadata,
        account=way.account,
        receipt=way.reference,
    )
    tenant = view.tenant(event.tenant_id)
    if tenant.needs_two(tenant.settings.refund_limit, refund.asset, amount):
        yield Put(refund)
        return refund
    return (yield from send(event, view, refund))


def send(event: Event[Any], view: View, refund: Refund) -> Generator[Effect, None, Refund]:
    """Out of where it was paid to: by its gateway, or from the drawer at once.

    Raises Unfit if the drawer may not give so much.
    """
    payment = view.row(Payment, event.tenant_id, refund.payment_id)
    assert payment is not None
    submitted = refund.replaced(status="submitted")
    if refund.provider == "cash":
        account = account_of(payment, refund)
        afford(view, event.tenant_id, account, refund.asset, refund.amount)
        yield Put(submitted)
        return (yield from complete(event, view, submitted, refund.refund_id))
    return (yield from _submit(event, payment, submitted))


def account_of(payment: Payment, refund: Refund) -> str:
    """Out of which it goes; one from before receipts were kept names none."""
    return refund.account or payment.account


def named(payment: Payment, refund: Refund) -> str:
    """The provider's name of the money, which may have got one only since."""
    receipt = payment.receipt_of(refund.provider, refund.receipt)
    return receipt.reference if receipt else payment.provider_reference


def _submit(event: Event[Any], payment: Payment, refund: Refund) -> Generator[Effect, None, Refund]:
    call_id = event.derive("call")
    after = refund.replaced(call_id=call_id)
    yield Put(after)
    request_ = {
        "refund_id": refund.refund_id,
        "payment_id": payment.payment_id,
        "provider_reference": named(payment, refund),
        "amount": format_minor(refund.amount, exponent_of(refund.asset)),
        "currency": refund.asset,
    }
    deadline_ms = event.log_ms + CALL_DEADLINE_MS
    yield CallGateway(call_id, refund.provider, "refund", refund.refund_id, request_, deadline_ms)
    return after


def _there(view: View, payment: Payment, placement: Placement) -> int:
    """What a placement can give: a customer's credit may be spent, and another place has more."""
    if placement.kind != "credit":
        return placement.amount
    credit = view.row(Credit, payment.tenant_id, placement.subject, payment.asset)
    return min(placement.amount, max(credit.amount, 0)) if credit is not None else 0


def _take(
    event: Event[Any], view: View, payment: Payment, placement: Placement, amount: int
) -> Generator[Effect, None, list[Taken]]:
    """What a part of a placement consists of; its row gives it up."""
    if placement.kind == "credit":
        return (yield from _take_credit(event, view, payment, placement, amount))
    if placement.kind == "case":
        return (yield from _take_case(event, view, placement, amount))
    if placement.kind == "quoted":
        return (yield from _take_quoted(event, view, payment, placement, amount))
    if placement.kind in _OF_OTHERS:
        words = f"its money is of another {placement.kind}: {placement.subject}"
        yield Refuse("refund_not_possible", words, 422)
        return []
    return (yield from _take_paid(event, view, payment, placement, amount))


def _take_credit(
    event: Event[Any], view: View, payment: Payment, placement: Placement, amount: int
) -> Generator[Effect, None, list[Taken]]:
    credit = view.row(Credit, event.tenant_id, placement.subject, payment.asset)
    if credit is None or credit.amount < amount:
        yield MOVED
        return []
    yield from give_credit(event, view, placement.subject, payment.asset, -amount)
    return [Taken(chart.CUSTOMER_CREDIT, amount, "credit", placement.subject)]


def _take_case(
    event: Event[Any], view: View, placement: Placement, amount: int
) -> Generator[Effect, None, list[Taken]]:
    case = view.row(Case, event.tenant_id, placement.subject)
    if case is None or case.status != "open" or case.amount < amount:
        yield MOVED
        return []
    yield close_case(case, "refunded", amount)
    return [Taken(chart.SUSPENSE, amount, "case", placement.subject)]


def _take_paid(
    event: Event[Any], view: View, payment: Payment, placement: Placement, amount: int
) -> Generator[Effect, None, list[Taken]]:
    """Out of an invoice: a credit note of so much.

    One that took a till's share's place may have needed less: the rest is its customer's credit.
    """
    invoice = meant_invoice(view, event.tenant_id, placement.subject)
    over = max(0, amount - invoice.paid)
    if over and (invoice.invoice_id == placement.subject or not invoice.customer_id):
        yield MOVED
        return []
    parts = note(invoice, amount - over) if amount > over else []
    if parts:
        yield from put_moved(view, invoice, over - amount)
    taken = [Taken(account, minor, "invoice", invoice.invoice_id) for account, minor in parts]
    if over:
        credit = Placement("credit", invoice.customer_id, over)
        taken += yield from _take_credit(event, view, payment, credit, over)
    return taken


def share_of(payment: Payment, amount: int) -> int:
    """What so much of a quoted payment pays of its invoice, in the invoice's minor units.

    At the original rate; shares of growing amounts differ so that all parts sum to the quote.
    """
    return half_up(payment.quoted * amount, payment.amount)


def _take_quoted(
    event: Event[Any], view: View, payment: Payment, placement: Placement, amount: int
) -> Generator[Effect, None, list[Taken]]:
    """Out of the invoice in its currency, through fx:clearing, in the payment's."""
    invoice = meant_invoice(view, event.tenant_id, placement.subject)
    part = share_of(payment, placement.amount) - share_of(payment, placement.amount - amount)
    if invoice.paid < part:
        yield MOVED
        return []
    yield from through_clearing(payment, invoice, note(invoice, part), 1)
    yield from put_moved(view, invoice, -part)
    return [Taken(chart.FX_CLEARING, amount, "quoted", invoice.invoice_id)]


def through_clearing(
    payment: Payment, invoice: Invoice, parts: list[tuple[str, int]], sign: int
) -> Iterator[Effect]:
    """Parts of a credit note against fx:clearing, in the invoice's currency; back with sign -1."""
    if not parts:
        return  # less than the invoice's currency has coins for
    where = of_payment(payment)
    legs = [Posting(account, invoice.asset, sign * minor, where) for account, minor in parts]
    whole = sum(leg.minor for leg in legs)
    yield Post([*legs, Posting(chart.FX_CLEARING, invoice.asset, -whole, where)])


def meant_invoice(view: View, tenant_id: str, invoice_id: str) -> Invoice:
    """The invoice, or the one that took its place: a till's share gives way to its order's own."""
    invoice = view.row(Invoice, tenant_id, invoice_id)
    assert invoice is not None
    if invoice.status != "void":
        return invoice
    order = view.row(Order, tenant_id, invoice.order_id)
    own = view.row(Invoice, tenant_id, order.invoice_id) if order else None
    return own or invoice


def moved(invoice: Invoice, paid: int) -> Invoice:
    """The invoice with so much more paid and less credited, or (below zero) the other way."""
    return stated(
        invoice.replaced(
            paid=invoice.paid + paid,
            credited=invoice.credited - paid,
            version=invoice.version + 1,
        )
    )


def put_moved(view: View, invoice: Invoice, paid: int) -> Iterator[Effect]:
    """That invoice, and what is left to be earned of it."""
    after = moved(invoice, paid)
    yield Put(after)
    yield from deferral.followed(view, invoice, after)


def complete(
    event: Event[Any], view: View, refund: Refund, provider_reference: str
) -> Generator[Effect, None, Refund]:
    """It is with the payer: refund:pending / gateway, or the drawer."""
    payment = view.row(Payment, event.tenant_id, refund.payment_id)
    assert payment is not None
    where, account = of_payment(payment), account_of(payment, refund)
    yield Post(
        [
            Posting(chart.REFUND_PENDING, refund.asset, refund.amount, where),
            Posting(account, refund.asset, -refund.amount, where),
        ]
    )
    settlement_id, outlet = "", chart.outlet_of(account)
    if outlet is not None:
        yield from drawers.moved(event, view, outlet, refund.asset, -refund.amount)
    else:
        settlement_id = yield from settlements.collect(
            event,
            view,
            provider=refund.provider,
            account=account,
            asset=refund.asset,
            refunds=refund.amount,
        )
    yield Put(
        payment.replaced(
            refund_pending=payment.refund_pending - refund.amount,
            refunded=payment.refunded + refund.amount,
            version=payment.version + 1,
        )
    )
    after = refund.replaced(
        status="completed",
        provider_reference=provider_reference,
        settlement_id=settlement_id,
        version=refund.version + 1,
    )
    yield Put(after)
    yield from _declare(event, view, refund, payment)
    yield from sent(view, refund, refund.refund_id, provider_reference)
    yield Emit("treasury.payment.refunded", told(after, payment))
    return after


def _declare(event: Event[Any], view: View, refund: Refund, payment: Payment) -> Iterator[Effect]:
    """Credit notes of what the refund took from invoices; `payment` is as before it."""
    reason = refund.reason or "refunded"
    for invoice, amount in of_invoices(view, refund, payment.refunded):
        named = invoice.tax_document_id
        yield from tax_documents.credit(event, view, named, amount, reason=reason)


def of_invoices(view: View, refund: Refund, refunded: int) -> Iterator[tuple[Invoice, int]]:
    """What a refund gives back of each invoice, in its currency; `refunded` was before it.

    Of a till's share that gave way since, too: its document was credited as a whole then.
    """
    payment = view.row(Payment, refund.tenant_id, refund.payment_id)
    assert payment is not None
    for part in by_subject(refund):
        if part.kind not in {"invoice", "quoted"}:
            continue
        invoice = view.row(Invoice, refund.tenant_id, part.subject)
        assert invoice is not None
        amount = part.amount
        if part.kind == "quoted":
            amount = share_of(payment, refunded + part.amount) - share_of(payment, refunded)
        yield invoice, amount


def by_subject(refund: Refund) -> list[Placement]:
    """What was taken, in its order."""
    sums: dict[tuple[str, str], int] = {}
    for part in refund.taken:
        sums[part.kind, part.subject] = sums.get((part.kind, part.subject), 0) + part.amount
    return [Placement(kind, subject, amount) for (kind, subject), amount in sums.items()]


def of_payment(payment: Payment) -> dict[str, str]:
    """Posting dimensions of a payment."""
    return dimensions(order=payment.order_id, party=payment.customer_id, payment=payment.payment_id)


def told(refund: Refund, payment: Payment) -> dict[str, Any]:
    """What `treasury.payment.refunded` says."""
    return {
        "payment_id": refund.payment_id,
        "refund_id": refund.refund_id,
        "order_id": payment.order_id,
        "amount": json_number(refund.amount, refund.asset),
        "currency": refund.asset,
        "provider": refund.provider,
        "provider_reference": refund.provider_reference,
        "reason": refund.reason,
        "sequence": refund.version,
    }

"""The rules of invoices: raising one, and what a payment does to it and to what it leaves over.

Guarantee: receivable = Σ outstanding, suspense = Σ open cases, customer:credit = Σ credits,
after every entry.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec

from agents.accounting import chart, tax
from agents.effects import Effect, Emit, Post, Put
from agents.registry import Event, View
from streams.journal import Posting
from streams.money import json_number
from streams.timestamps import local_date
from tables.invoices import Invoice, Order
from tables.payments import Case, Credit
from tables.tenants import Tenant


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What is to be invoiced; `total` gross, minor units of `asset`; `due_date` ISO or empty."""

    order_id: str
    customer_id: str
    outlet_id: str
    source: str
    asset: str
    total: int
    due_date: str = ""


def raise_invoice(event: Event[Any], tenant: Tenant, claim: Claim) -> tuple[Invoice, list[Effect]]:
    """An open invoice for the claim: receivable / revenue + tax:output, and its event."""
    day = local_date(event.timestamp_ms, tenant.time_zone)
    net, vat = tax.of_total(tenant, claim.total, day)
    due = claim.due_date or (day + timedelta(days=tenant.payment_terms_days)).isoformat()
    invoice = Invoice(
        event.tenant_id,
        event.derive("invoice"),
        claim.order_id,
        claim.customer_id,
        claim.source,
        claim.asset,
        claim.total,
        vat,
        issued_date=day.isoformat(),
        due_date=due,
        outlet_id=claim.outlet_id,
    )
    where = dimensions(order=claim.order_id, party=claim.customer_id, outlet=claim.outlet_id)
    postings = [
        Posting(chart.RECEIVABLE, claim.asset, claim.total, where),
        Posting(chart.revenue(claim.source), claim.asset, -net, where),
    ]
    if vat:
        postings.append(Posting(chart.TAX_OUTPUT, claim.asset, -vat, where))
    return invoice, [Post(postings), Put(invoice), Emit("treasury.invoice.created", told(invoice))]


def told(invoice: Invoice) -> dict[str, Any]:
    """What `treasury.invoice.created` says of an invoice: the guide's members, then ours."""
    return {
        "invoice_id": invoice.invoice_id,
        "customer_id": invoice.customer_id,
        "amount": json_number(invoice.total, invoice.asset),
        "due_date": invoice.due_date,
        "currency": invoice.asset,
        "order_id": invoice.order_id,
        "tax_amount": json_number(invoice.tax, invoice.asset),
        "sequence": invoice.version,
    }


def settle(
    invoice: Invoice, account: str, amount: int, where: dict[str, str]
) -> tuple[Invoice, list[Effect], int]:
    """Pay up to `amount` of what is outstanding from `account` (debited).

    Returns the invoice after it, the effects, and what the invoice did not need.
    """
    used = min(amount, invoice.outstanding)
    if not used:
        return invoice, [], amount
    paid = invoice.paid + used
    status = "paid" if paid == invoice.total else "partially_paid"
    after = invoice.replaced(paid=paid, status=status, version=invoice.version + 1)
    effects: list[Effect] = [
        Post(
            [
                Posting(account, invoice.asset, used, where),
                Posting(chart.RECEIVABLE, invoice.asset, -used, where),
            ]
        ),
        Put(after),
    ]
    if status == "paid":
        effects.append(Emit("treasury.invoice.paid", _paid(after)))
    return after, effects, amount - used


def _paid(invoice: Invoice) -> dict[str, Any]:
    return {
        "invoice_id": invoice.invoice_id,
        "order_id": invoice.order_id,
        "customer_id": invoice.customer_id,
        "amount": json_number(invoice.total, invoice.asset),
        "currency": invoice.asset,
        "sequence": invoice.version,
    }


def overpaid(
    event: Event[Any], view: View, invoice: Invoice, account: str, amount: int
) -> Iterator[Effect]:
    """Money beyond an invoice: the customer's credit, or a case when no customer is known."""
    where = dimensions(order=invoice.order_id, party=invoice.customer_id)
    if not invoice.customer_id:
        yield from open_case(
            event,
            kind="overpayment",
            account=account,
            asset=invoice.asset,
            amount=amount,
            order_id=invoice.order_id,
        )
        return
    credit = view.row(Credit, event.tenant_id, invoice.customer_id, invoice.asset)
    if credit is None:
        credit = Credit(event.tenant_id, invoice.customer_id, invoice.asset, 0, version=0)
    yield Post(
        [
            Posting(account, invoice.asset, amount, where),
            Posting(chart.CUSTOMER_CREDIT, invoice.asset, -amount, where),
        ]
    )
    yield Put(credit.replaced(amount=credit.amount + amount, version=credit.version + 1))


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
    """Money whose home is not known: account / suspense, and a case for it."""
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
        "case_id": case.case_id,
        "kind": kind,
        "amount": json_number(amount, asset),
        "currency": asset,
        "payment_id": payment_id,
        "order_id": order_id,
    }
    yield Emit("treasury.reconciliation.exception", told_case)


def apply_waiting(
    event: Event[Any], view: View, order: Order, invoice: Invoice, *, final: bool
) -> tuple[Order, Invoice, list[Effect]]:
    """Money that came before its invoice: suspense / receivable, its cases closed.

    What a final invoice does not need is its customer's credit, as if it had come later. Without
    a customer, or while the order's own invoice may still come, it stays under its case.
    """
    effects: list[Effect] = []
    left = []
    stays = not (final and invoice.customer_id)
    over = 0
    for case_id in order.unapplied:
        case = view.row(Case, event.tenant_id, case_id)
        if case is None or case.status != "open" or case.asset != invoice.asset:
            continue
        where = dimensions(order=order.order_id, case=case_id)
        invoice, paid, rest = settle(invoice, chart.SUSPENSE, case.amount, where)
        effects += paid
        if rest and stays:
            left.append(case_id)
            effects.append(Put(case.replaced(amount=rest)))
            continue
        over += rest
        effects.append(Put(case.replaced(status="closed")))
    if over:
        effects += overpaid(event, view, invoice, chart.SUSPENSE, over)
    return order.replaced(unapplied=left), invoice, effects


def dimensions(**names: str) -> dict[str, str]:
    """Posting dimensions without the empty ones."""
    return {name: value for name, value in names.items() if value}

"""The rules of invoices: raising one, and what a payment does to it and to what it leaves over.

Guarantee: receivable = Σ outstanding, customer:credit = Σ credits, after every entry.
"""

from collections.abc import Generator, Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from agents.accounting import chart, dunning, tax, tax_documents
from agents.accounting.cases import close_case, dimensions, give_credit, open_case
from agents.accounting.codes import meant
from agents.accounting.links import link, token_of
from agents.accounting.tax import Parts
from agents.effects import Effect, Emit, Post, Put
from agents.registry import Event, View
from streams.journal import Posting
from streams.money import json_number
from streams.timestamps import local_day
from tables.invoices import Invoice, InvoiceNumber, Line, Order
from tables.payments import Case, Payment, Placement
from tables.tenants import Tenant


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What is to be invoiced; `total` gross, minor units of `asset`; `due_date` ISO or empty.

    Without `parts`, the total is gross and all of it taxed at the standard rate. `income` is the
    account credited with the net amount, by default the revenue of the source. `tax_document_id`
    and `tax_status` are of a document that stands for it already. `link_seed` makes its payment
    link hard to guess where the event does not.
    """

    order_id: str
    customer_id: str
    outlet_id: str
    source: str
    asset: str
    total: int
    due_date: str = ""
    parts: Parts | None = None
    lines: tuple[Line, ...] = ()
    project_id: str = ""
    reference: str = ""
    to_withhold: int = 0
    metadata: dict[str, str] = {}
    income: str = ""
    draft: bool = False
    customer_name: str = ""
    customer_pin: str = ""
    tax_document_id: str = ""
    tax_status: str = ""
    link_seed: str = ""


@lru_cache(maxsize=4096)
def days_later(day: str, days: int) -> str:
    """A day so many days after another, ISO."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def raise_invoice(
    event: Event[Any], view: View, tenant: Tenant, claim: Claim, ordinal: int = 0
) -> tuple[Invoice, Iterator[Effect]]:
    """An invoice for the claim, and what makes it so: receivable / revenue + tax:output, its event.

    A draft posts nothing and tells nobody until it is issued.
    """
    day = local_day(event.timestamp_ms, tenant.time_zone)
    parts = claim.parts or tax.of_total(tenant, claim.total, day)
    linked = tenant.settings.payment_links and not claim.draft
    invoice_id = event.derive("invoice", ordinal)
    invoice = Invoice(
        event.tenant_id,
        invoice_id,
        claim.order_id,
        claim.customer_id,
        claim.source,
        claim.asset,
        claim.total,
        parts.vat,
        issued_date=day,
        due_date=claim.due_date or days_later(day, tenant.payment_terms_days),
        outlet_id=claim.outlet_id,
        to_withhold=claim.to_withhold,
        project_id=claim.project_id,
        reference=claim.reference,
        lines=claim.lines,
        levies=parts.levies,
        metadata=claim.metadata,
        link_token=token_of(event, invoice_id, claim.link_seed) if linked else "",
        created_ms=event.now_ms,
        status="draft" if claim.draft else "open",
        customer_name=claim.customer_name,
        customer_pin=claim.customer_pin,
        tax_document_id=claim.tax_document_id,
        tax_status=claim.tax_status,
    )
    if claim.draft:
        return invoice, iter([Put(invoice)])
    invoice = tax_documents.named(tenant, invoice)
    return invoice, issue(event, view, tenant, invoice, claim.income)


def issue(
    event: Event[Any], view: View, tenant: Tenant, invoice: Invoice, income: str = ""
) -> Iterator[Effect]:
    """What makes an open invoice of a prepared one; the tax authority is told of it besides."""
    where = of_invoice(invoice)
    net = invoice.total - invoice.tax - sum(invoice.levies.values())
    postings = [
        Posting(chart.RECEIVABLE, invoice.asset, invoice.total, where),
        Posting(income or chart.revenue(invoice.source), invoice.asset, -net, where),
    ]
    if invoice.tax:
        postings.append(Posting(chart.TAX_OUTPUT, invoice.asset, -invoice.tax, where))
    for account, minor in invoice.levies.items():
        postings.append(Posting(account, invoice.asset, -minor, where))
    yield Post([leg for leg in postings if leg.minor])
    yield Put(invoice)
    if invoice.reference:
        number = meant(invoice.reference)
        yield Put(InvoiceNumber(event.tenant_id, number, invoice.invoice_id))
    yield Emit("treasury.invoice.created", told(invoice))
    yield from dunning.next_moment(invoice, tenant, event.now_ms)
    yield from link(event, tenant, invoice)
    yield from tax_documents.of_invoice(event, view, tenant, invoice)


def of_invoice(invoice: Invoice) -> dict[str, str]:
    """Posting dimensions of an invoice."""
    return dimensions(
        order=invoice.order_id,
        party=invoice.customer_id,
        outlet=invoice.outlet_id,
        project=invoice.project_id,
    )


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

    When all that is left is what the customer withholds for the tax authority, that is posted too:
    tax:wht_receivable / receivable. Returns the invoice after it, the effects, and what the
    invoice did not need.
    """
    used = min(amount, invoice.outstanding)
    if not used:
        return invoice, [], amount
    legs = [
        Posting(account, invoice.asset, used, where),
        Posting(chart.RECEIVABLE, invoice.asset, -used, where),
    ]
    after = invoice.replaced(paid=invoice.paid + used, version=invoice.version + 1)
    left = after.outstanding
    if left and left == after.to_withhold:
        legs.append(Posting(chart.WITHHELD_FROM_US, invoice.asset, left, where))
        legs.append(Posting(chart.RECEIVABLE, invoice.asset, -left, where))
        after = after.replaced(withheld=after.withheld + left, to_withhold=0)
    return *reduced(after, legs), amount - used


def reduced(invoice: Invoice, legs: list[Posting]) -> tuple[Invoice, list[Effect]]:
    """The invoice in the status that its amounts say, the postings that led there, its event."""
    after = stated(invoice)
    effects: list[Effect] = [Post(legs), Put(after)]
    effects.extend(said_paid(after))
    return after, effects


def said_paid(invoice: Invoice) -> Iterator[Emit]:
    """The event of an invoice that has just come to its end, if it is paid."""
    if invoice.status == "paid":
        yield Emit("treasury.invoice.paid", _paid(invoice))


def stated(invoice: Invoice) -> Invoice:
    """The invoice in the status that its amounts say."""
    reduced_by = invoice.paid + invoice.credited + invoice.withheld + invoice.written_off
    if reduced_by < invoice.total:
        status = "partially_paid" if invoice.paid or invoice.withheld else "open"
        return invoice.replaced(status=status)
    status = "paid"
    if invoice.written_off:
        status = "uncollectible"
    elif invoice.credited and not invoice.paid and not invoice.withheld:
        status = "credited"
    return invoice.replaced(status=status, overdue=False)


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
    event: Event[Any],
    view: View,
    invoice: Invoice,
    account: str,
    amount: int,
    *,
    payment_id: str = "",
) -> Generator[Effect, None, Placement]:
    """Money (of a payment, if one is known) beyond an invoice: the customer's credit, or a case
    when no customer is known.
    """
    where = dimensions(order=invoice.order_id, party=invoice.customer_id)
    if not invoice.customer_id:
        yield from open_case(
            event,
            kind="overpayment",
            account=account,
            asset=invoice.asset,
            amount=amount,
            payment_id=payment_id,
            order_id=invoice.order_id,
        )
        return Placement("case", event.derive("case"), amount)
    yield Post(
        [
            Posting(account, invoice.asset, amount, where),
            Posting(chart.CUSTOMER_CREDIT, invoice.asset, -amount, where),
        ]
    )
    yield from give_credit(event, view, invoice.customer_id, invoice.asset, amount)
    return Placement("credit", invoice.customer_id, amount)


def apply_waiting(
    event: Event[Any], view: View, order: Order, invoice: Invoice, *, final: bool
) -> Generator[Effect, None, tuple[Order, Invoice]]:
    """Money that came before its invoice: suspense / receivable, its cases closed.

    What a final invoice does not need is its customer's credit, as if it had come later. Without
    a customer, or while the order's own invoice may still come, it stays under its case.
    """
    left = []
    stays = not (final and invoice.customer_id)
    for case_id in order.unapplied:
        case = view.row(Case, event.tenant_id, case_id)
        if case is None or case.status != "open" or case.asset != invoice.asset:
            continue
        where = dimensions(order=order.order_id, case=case_id)
        invoice, paid, rest = settle(invoice, chart.SUSPENSE, case.amount, where)
        yield from paid
        placements = [Placement("invoice", invoice.invoice_id, case.amount - rest)]
        if rest and stays:
            left.append(case_id)
            placements.append(Placement("case", case_id, rest))
            yield Put(case.replaced(amount=rest))
        else:
            if rest:
                placed = yield from overpaid(event, view, invoice, chart.SUSPENSE, rest)
                placements.append(placed)
            yield close_case(case, "applied")
        yield from replaced_case(view, case, placements)
    return order.replaced(unapplied=left), invoice


def replaced_case(view: View, case: Case, placements: list[Placement]) -> Iterator[Effect]:
    """The payment whose money the case was learns where it is now.

    What a journal took from the case stays under its name; what one added is not the payment's.
    """
    payment = view.row(Payment, case.tenant_id, case.payment_id) if case.payment_id else None
    if payment is None:
        return
    kept, left = [], 0
    for placed in payment.placements:
        if (placed.kind, placed.subject) == ("case", case.case_id):
            left += placed.amount
        else:
            kept.append(placed)
    for placed in (*placements, Placement("case", case.case_id, left)):
        part = min(placed.amount, left)
        if part:
            kept.append(Placement(placed.kind, placed.subject, part))
        left -= part
    yield Put(payment.replaced(placements=tuple(kept), version=payment.version + 1))

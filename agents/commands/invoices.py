"""Invoices by hand: raise, issue, void, credit, write off, withhold, pay from credit."""

from typing import Any

from agents.accounting import chart, crediting, deferral, tax_documents, tax_queue
from agents.accounting.cases import give_credit
from agents.accounting.invoicing import (
    Claim,
    apply_waiting,
    issue,
    of_invoice,
    raise_invoice,
    settle,
)
from agents.accounting.lines import LineGiven, itemise
from agents.accounting.links import token_of
from agents.accounting.tax import can_withhold, of_gross, rates_of, withheld
from agents.commands.base import Command, answered, demand, found, positive, same, wanted
from agents.effects import Effects, Put, Unfit
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Code, Day, Id, Metadata, OptionalId, Text
from streams.money import Amount
from streams.timestamps import local_day, parse_day
from tables.invoices import Invoice, Order
from tables.payments import Credit
from tables.tax_documents import TaxDocument
from tables.tenants import Tenant

CREATE = "treasury.command.invoice.create"
ISSUE = "treasury.command.invoice.issue"
VOID = "treasury.command.invoice.void"
CREDIT = "treasury.command.invoice.credit"
WRITE_OFF = "treasury.command.invoice.write_off"
WITHHOLD = "treasury.command.invoice.withhold"
APPLY_CREDIT = "treasury.command.invoice.apply_credit"


class CreateInvoice(Command, frozen=True):
    """A claim on a customer: an amount (gross), or lines, whose amounts contain the tax or not.

    `source` is the kind of revenue. An order that is invoiced already is refused. `customer_name`
    and `customer_pin` are for its tax document; without a PIN it is a sale to a consumer.
    """

    customer_id: Id
    customer_name: Text = ""
    customer_pin: OptionalId = ""
    amount: Amount | None = None
    currency: Code = ""
    order_id: OptionalId = ""
    project_id: OptionalId = ""
    outlet_id: OptionalId = ""
    source: OptionalId = "invoice"
    due_date: Day | None = None
    lines: list[LineGiven] = []
    tax_inclusive: bool = True
    withholding: OptionalId = ""
    reference: OptionalId = ""
    draft: bool = False
    metadata: Metadata = {}


class OfInvoice(Command, frozen=True):
    """A command about one invoice."""

    invoice_id: Id


class CreditInvoice(Command, frozen=True):
    """Lower the claim; without an amount, by all that is outstanding. A tax document says why."""

    invoice_id: Id
    amount: Amount | None = None
    reason: Text = ""


class WriteOff(Command, frozen=True):
    """Give up what is outstanding; `tax_relief` if the tax authority gives its tax back."""

    invoice_id: Id
    tax_relief: bool = False


class Withhold(Command, frozen=True):
    """The customer paid so much to the tax authority, as the certificate says."""

    invoice_id: Id
    amount: Amount


class ApplyCredit(Command, frozen=True):
    """Pay from the customer's credit; without an amount, all that it is enough for."""

    invoice_id: Id
    amount: Amount | None = None


@handles(CREATE, CreateInvoice, ingress=COMMANDS)
def create(event: Event[CreateInvoice], view: View) -> Effects:
    """Receivable / revenue + tax:output; a draft waits for its issue.

    Money that came for its order before it is applied to it.
    """
    data, tenant = event.data, view.tenant(event.tenant_id)
    order = None
    if data.order_id:
        order = view.row(Order, event.tenant_id, data.order_id)
        order = order or Order(event.tenant_id, data.order_id)
        demand(not (order.invoice_id or order.sold_asset), "order_already_invoiced")
        demand(not data.draft, "order_needs_invoice", "an order's invoice is no draft", 422)
    invoice, raised = raise_invoice(event, view, tenant, _claim(event, tenant))
    yield from raised
    if order is not None:
        order, invoice = yield from apply_waiting(event, view, order, invoice, final=True)
        yield Put(order.replaced(invoice_id=invoice.invoice_id))
    yield from answered(invoice, 201)


def _claim(event: Event[CreateInvoice], tenant: Tenant) -> Claim:
    data = event.data
    asset = data.currency or tenant.currency
    if data.due_date:
        parse_day(data.due_date)
    if data.withholding and not can_withhold(tenant.country, data.withholding):
        raise Unfit("withholding_unknown", f"in {tenant.country}")
    rates = rates_of(tenant, local_day(event.timestamp_ms, tenant.time_zone))
    if data.lines:
        items = itemise(data.lines, asset, rates, inclusive=data.tax_inclusive)
        total, parts, lines = items.total, items.parts, items.lines
        if data.amount is not None and data.amount.minor(asset) != total:
            raise Unfit("lines_do_not_sum", "the lines and their tax sum to the amount")
    elif data.amount is not None:
        total, lines = data.amount.minor(asset), ()
        parts = of_gross(rates, total)
    else:
        raise Unfit("amount_missing", "give an amount or lines")
    if total <= 0:
        raise Unfit("amount_not_positive")
    return Claim(
        data.order_id,
        data.customer_id,
        data.outlet_id,
        data.source,
        asset,
        total,
        data.due_date or "",
        parts=parts,
        lines=lines,
        project_id=data.project_id,
        reference=data.reference,
        to_withhold=withheld(tenant.country, data.withholding, parts.net, asset),
        metadata=data.metadata,
        draft=data.draft,
        customer_name=data.customer_name,
        customer_pin=data.customer_pin,
    )


@handles(ISSUE, OfInvoice, ingress=COMMANDS)
def issue_draft(event: Event[OfInvoice], view: View) -> Effects:
    """The draft becomes an open invoice, as of today."""
    invoice, tenant = _invoice(event, view), view.tenant(event.tenant_id)
    is_draft = invoice.status == "draft"
    demand(is_draft, f"invoice_{invoice.status}", "only a draft is issued")
    after = invoice.replaced(
        status="open",
        issued_date=local_day(event.timestamp_ms, tenant.time_zone),
        link_token=token_of(event, invoice.invoice_id) if tenant.settings.payment_links else "",
        version=invoice.version + 1,
    )
    after = tax_documents.named(tenant, after)
    yield from issue(event, view, tenant, after)
    yield from answered(after)


def _invoice(event: Event[Any], view: View) -> Invoice:
    return found(view, Invoice, event.tenant_id, event.data.invoice_id)


@handles(VOID, OfInvoice, ingress=COMMANDS)
def void(event: Event[OfInvoice], view: View) -> Effects:
    """The invoice never was; after any money or credit it needs a credit note instead."""
    invoice = _invoice(event, view)
    touched = invoice.paid or invoice.credited or invoice.withheld or invoice.written_off
    untouched = invoice.status in {"draft", "open"} and not touched
    demand(untouched, f"invoice_{invoice.status}", "it needs a credit note")
    demand(invoice.source != "pos", "invoice_of_sale", "its sale stands: credit it")
    document = view.row(TaxDocument, event.tenant_id, invoice.tax_document_id)
    if document is not None:
        untold = document.status in {"waiting", "rejected"}
        demand(untold, "invoice_has_tax_document", "the tax authority was told: credit it")
        yield from tax_queue.cancel(event, view, document)
    yield from crediting.void(_invoice(event, view))
    after = same(view, Invoice, event.tenant_id, invoice.invoice_id)
    yield from deferral.followed(view, invoice, after)
    if invoice.order_id:
        order = view.row(Order, event.tenant_id, invoice.order_id)
        if order is not None and order.invoice_id == invoice.invoice_id:
            yield Put(order.replaced(invoice_id=""))
    yield from answered(same(view, Invoice, event.tenant_id, invoice.invoice_id))


@handles(CREDIT, CreditInvoice, ingress=COMMANDS)
def credit(event: Event[CreditInvoice], view: View) -> Effects:
    """A credit note; what was paid goes back by a refund, what credit had paid becomes credit."""
    invoice = _invoice(event, view)
    amount = wanted(event.data.amount, invoice.asset, invoice.outstanding)
    fits = 0 < amount <= invoice.outstanding + min(invoice.from_credit, invoice.paid)
    demand(fits, "more_than_outstanding", "refund what was paid", 422)
    back = max(amount - invoice.outstanding, 0)
    after, effects = crediting.credit(invoice, amount, back)
    yield from effects
    if back:
        yield from give_credit(event, view, invoice.customer_id, invoice.asset, back)
    yield from deferral.followed(view, invoice, after)
    named, reason = invoice.tax_document_id, event.data.reason or "credited"
    yield from tax_documents.credit(event, view, named, amount, reason=reason)
    yield from answered(after)


@handles(WRITE_OFF, WriteOff, ingress=COMMANDS)
def write_off(event: Event[WriteOff], view: View) -> Effects:
    """expense:bad_debt / receivable for all that is outstanding."""
    invoice = _invoice(event, view)
    demand(invoice.outstanding, f"invoice_{invoice.status}", "nothing is outstanding")
    after, effects = crediting.write_off(invoice, tax_relief=event.data.tax_relief)
    yield from effects
    yield from answered(after)


@handles(WITHHOLD, Withhold, ingress=COMMANDS)
def withhold(event: Event[Withhold], view: View) -> Effects:
    """tax:wht_receivable / receivable."""
    invoice = _invoice(event, view)
    amount = positive(event.data.amount, invoice.asset)
    demand(amount <= invoice.outstanding, "more_than_outstanding", http_status=422)
    after, effects = crediting.withhold(invoice, amount)
    yield from effects
    yield from answered(after)


@handles(APPLY_CREDIT, ApplyCredit, ingress=COMMANDS)
def apply_credit(event: Event[ApplyCredit], view: View) -> Effects:
    """customer:credit / receivable: what the customer has with us pays what they owe."""
    invoice = _invoice(event, view)
    demand(invoice.outstanding, f"invoice_{invoice.status}", "nothing is outstanding")
    credit = view.row(Credit, event.tenant_id, invoice.customer_id, invoice.asset)
    has = credit.amount if credit is not None else 0
    demand(has > 0, "no_credit", f"in {invoice.asset}", 422)
    owes = invoice.outstanding - invoice.to_withhold  # the rest the customer owes the tax office
    amount = wanted(event.data.amount, invoice.asset, min(has, owes or invoice.outstanding))
    demand(amount <= has, "more_than_credit", http_status=422)
    demand(0 < amount <= invoice.outstanding, "more_than_outstanding", http_status=422)
    marked = invoice.replaced(from_credit=invoice.from_credit + amount)
    after, paid, _ = settle(marked, chart.CUSTOMER_CREDIT, amount, of_invoice(invoice))
    yield from paid
    yield from give_credit(event, view, invoice.customer_id, invoice.asset, -amount)
    yield from answered(after)

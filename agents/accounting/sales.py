"""Sales at a till, and the rule that one order is sold once, whoever tells of it first.

Whether the order's own service invoices before or after the till completes it, the end is the
same: one invoice, paid by what the till took; revenue under the order's own service.
"""

from collections.abc import Generator, Iterator
from typing import Any

import msgspec

from agents.accounting import chart, drawers, tax_documents, tax_queue
from agents.accounting.cases import dimensions
from agents.accounting.crediting import note
from agents.accounting.invoicing import Claim, apply_waiting, overpaid, settle, told
from agents.accounting.tax import Parts
from agents.effects import Effect, Emit, Post, Put
from agents.registry import Event, View
from streams.journal import Posting
from streams.money import half_up, json_number
from streams.timestamps import local_day
from tables.invoices import Invoice, Order
from tables.tax_documents import TaxDocument
from tables.tenants import Tenant


class Sale(msgspec.Struct, frozen=True, gc=False):
    """A completed till order in minor units; `cash` and `electronic` sum to all its parts.

    `payment` is how, in a tax document's words.
    """

    order_id: str
    customer_id: str
    outlet_id: str
    asset: str
    parts: Parts
    cash: int
    electronic: int
    tip: int
    payment: str = "other"

    @property
    def total(self) -> int:
        """All of it, without the tip."""
        return self.cash + self.electronic

    @property
    def where(self) -> dict[str, str]:
        """Posting dimensions of the sale."""
        return dimensions(order=self.order_id, party=self.customer_id, outlet=self.outlet_id)


def sell(event: Event[Any], view: View, order: Order, sale: Sale) -> Iterator[Effect]:
    """A sale no invoice exists for: cash and receivable / revenue:pos + tax:output.

    The electronic share becomes an open invoice until its payment succeeds.
    """
    where, parts = sale.where, sale.parts
    postings = []
    if sale.cash:
        postings.append(Posting(chart.drawer(sale.outlet_id), sale.asset, sale.cash, where))
    if sale.electronic:
        postings.append(Posting(chart.RECEIVABLE, sale.asset, sale.electronic, where))
    postings.append(Posting(chart.revenue("pos"), sale.asset, -parts.net, where))
    if parts.vat:
        postings.append(Posting(chart.TAX_OUTPUT, sale.asset, -parts.vat, where))
    for account, minor in parts.levies.items():
        if minor:
            postings.append(Posting(account, sale.asset, -minor, where))
    yield Post(postings)
    document = yield from _declare(event, view, sale)
    order = order.replaced(
        tax_document_id=document.document_id if document else "",
        sold=True,
        sold_net=parts.net,
        sold_tax=parts.vat,
        sold_levies=parts.levies,
        sold_asset=sale.asset,
        sold_outlet=sale.outlet_id,
    )
    if sale.electronic:
        invoice = _open_share(event, view.tenant(event.tenant_id), sale)
        if document is not None:
            invoice = invoice.replaced(
                tax_document_id=document.document_id, tax_status=document.status
            )
        yield Put(invoice)
        yield Emit("treasury.invoice.created", told(invoice))
        order, _ = yield from apply_waiting(event, view, order, invoice, final=False)
        order = order.replaced(invoice_id=invoice.invoice_id)
    yield Put(order)


def _declare(
    event: Event[Any], view: View, sale: Sale
) -> Generator[Effect, None, TaxDocument | None]:
    """The tax document of the sale, if its outlet makes any."""
    tenant = view.tenant(event.tenant_id)
    branch = tax_documents.branch_of(tenant, sale.outlet_id)
    if not branch:
        return None
    levies = list(tax_documents.levies(sale.parts.levies))
    rest = sale.total - sum(line.total for line in levies)
    name = f"order {sale.order_id}"
    document = TaxDocument(
        event.tenant_id,
        event.derive("tax_document"),
        "sale",
        branch,
        sale.asset,
        sale.total,
        0,
        (tax_documents.line(tenant, name, rest, sale.parts.vat), *levies),
        sale.payment,
        invoice_id=event.derive("invoice") if sale.electronic else "",
        order_id=sale.order_id,
        outlet_id=sale.outlet_id,
        customer_id=sale.customer_id,
        status=tax_documents.status_at_first(sale.asset),
    )
    yield from tax_documents.begin(event, view, tenant, document)
    return document


def declared_by_till(view: View, order: Order, claim: Claim) -> Claim:
    """The claim under the tax document that the till's sale of the order has, if that says the
    same: one sale is told once.
    """
    document = view.row(TaxDocument, order.tenant_id, order.tax_document_id)
    if document is None or document.credited or claim.parts is None:
        return claim
    share = view.row(Invoice, order.tenant_id, order.invoice_id)
    if share is not None and share.credited:
        return claim  # a refund is on its way, which is the share's and not the invoice's
    if (document.total, document.tax) != (claim.total, claim.parts.vat):
        return claim
    named = order.tax_document_id
    return msgspec.structs.replace(claim, tax_document_id=named, tax_status=document.status)


def _pass_on(event: Event[Any], view: View, order: Order, invoice: Invoice) -> Iterator[Effect]:
    """The tax document of a till's sale is its order's invoice's, or is taken back for that one."""
    document = view.row(TaxDocument, order.tenant_id, order.tax_document_id)
    if document is None:
        return
    if document.document_id == invoice.tax_document_id:
        yield Put(document.replaced(invoice_id=invoice.invoice_id, version=document.version + 1))
    elif document.status in {"waiting", "rejected"} and not document.credited:
        yield from tax_queue.cancel(event, view, document)
    else:
        reason = "replaced by the invoice of its order"
        named, whole = document.document_id, document.total
        yield from tax_documents.credit(event, view, named, whole, reason=reason)


def _open_share(event: Event[Any], tenant: Tenant, sale: Sale) -> Invoice:
    """An open invoice for what the till left unpaid.

    Its tax stands with the sale; `levies` are its share of that, for whoever gives money back.
    """
    day = local_day(event.timestamp_ms, tenant.time_zone)
    return Invoice(
        event.tenant_id,
        event.derive("invoice"),
        sale.order_id,
        sale.customer_id,
        "pos",
        sale.asset,
        sale.electronic,
        0,
        issued_date=day,
        due_date=day,
        outlet_id=sale.outlet_id,
        levies={
            account: half_up(minor * sale.electronic, sale.total)
            for account, minor in {chart.TAX_OUTPUT: sale.parts.vat, **sale.parts.levies}.items()
            if minor
        },
        created_ms=event.now_ms,
    )


def sell_invoiced(
    event: Event[Any], view: View, order: Order, invoice: Invoice, sale: Sale
) -> Iterator[Effect]:
    """A sale of an order that is invoiced: its cash pays the invoice, revenue is not posted twice.

    The electronic share is what the invoice stays open for.
    """
    drawer = chart.drawer(sale.outlet_id)
    if sale.cash:
        invoice, effects, rest = settle(invoice, drawer, sale.cash, sale.where)
        yield from effects
        if rest:
            yield from overpaid(event, view, invoice, drawer, rest)
    yield Put(order.replaced(sold=True))


def take_cash(event: Event[Any], view: View, sale: Sale) -> Iterator[Effect]:
    """What the sale leaves in the drawer, its tip (drawer / tips), and the success of its cash."""
    if sale.tip:
        drawer = Posting(chart.drawer(sale.outlet_id), sale.asset, sale.tip, sale.where)
        yield Post([drawer, Posting(chart.TIPS, sale.asset, -sale.tip, sale.where)])
    if sale.cash or sale.tip:
        yield from drawers.moved(event, view, sale.outlet_id, sale.asset, sale.cash + sale.tip)
    if sale.cash:
        said = {
            "payment_id": event.derive("payment"),
            "order_id": sale.order_id,
            "amount": json_number(sale.cash, sale.asset),
            "provider_reference": "cash",
            "currency": sale.asset,
            "provider": "cash",
            "invoice_id": "",
            "late": False,
            "sequence": 1,
        }
        yield Emit("treasury.payment.success", said)


def sale_becomes_payment(
    event: Event[Any], view: View, order: Order, invoice: Invoice
) -> Generator[Effect, None, tuple[Order, Invoice]]:
    """The till was first: undo its revenue and tax, and let what it took pay the invoice."""
    if not order.sold_asset:
        return order, invoice
    yield from _pass_on(event, view, order, invoice)
    where = dimensions(order=order.order_id, outlet=order.sold_outlet)
    open_share = view.row(Invoice, event.tenant_id, order.invoice_id)
    levies = sum(order.sold_levies.values())
    owed = 0
    if open_share is not None and open_share.status != "void":
        # What the share was paid, credited or written off meanwhile is not owed, nor is it cash.
        owed = open_share.outstanding
    gone = _not_cash(open_share)
    took = order.sold_net + order.sold_tax + levies - owed - gone
    pos = chart.revenue("pos")
    invoice, effects, rest = settle(invoice, pos, took, where)
    yield from effects
    if rest:
        yield from overpaid(event, view, invoice, pos, rest)
    taxes = _not_given_back(order, open_share)
    untaxed = order.sold_net + order.sold_tax + levies - sum(taxes.values())
    legs = [
        Posting(pos, invoice.asset, untaxed - took - gone, where),
        *(Posting(name, invoice.asset, minor, where) for name, minor in taxes.items()),
        Posting(chart.RECEIVABLE, invoice.asset, -owed, where),
    ]
    legs = [leg for leg in legs if leg.minor]
    if legs:
        yield Post(legs)
    if open_share is not None and open_share.status != "void":
        void = open_share.replaced(status="void", version=open_share.version + 1)
        yield Put(void)
        yield Emit("treasury.invoice.void", told(void))
    cleared = order.replaced(
        sold_net=0, sold_tax=0, sold_asset="", sold_outlet="", sold_levies={}, tax_document_id=""
    )
    return cleared, invoice


def _not_given_back(order: Order, share: Invoice | None) -> dict[str, int]:
    """Tax and levies of a till's sale by account, but for those of the share's credit notes."""
    taxes = {chart.TAX_OUTPUT: order.sold_tax, **order.sold_levies}
    if share is not None and share.status != "void":
        for account, minor in note(share.replaced(credited=0), share.credited):
            if account in taxes:
                taxes[account] -= minor
    return taxes


def _not_cash(share: Invoice | None) -> int:
    """Of a till's unpaid share, what nobody paid and nobody will: credited, written off, void."""
    if share is None:
        return 0
    if share.status == "void":
        return share.total
    return share.credited + share.written_off

"""Sales at a till, and the rule that one order is sold once, whoever tells of it first.

Whether the order's own service invoices before or after the till completes it, the end is the
same: one invoice, paid by what the till took; revenue under the order's own service.
"""

from typing import Any

import msgspec

from agents.accounting import chart
from agents.accounting.invoicing import apply_waiting, dimensions, overpaid, settle, told
from agents.effects import Effect, Emit, Post, Put
from agents.registry import Event, View
from streams.journal import Posting
from streams.money import json_number
from streams.timestamps import local_date
from tables.invoices import Invoice, Order
from tables.tenants import Tenant


class Sale(msgspec.Struct, frozen=True, gc=False):
    """A completed till order in minor units; `cash` and `electronic` sum to net + tax."""

    order_id: str
    customer_id: str
    outlet_id: str
    asset: str
    net: int
    tax: int
    cash: int
    electronic: int
    tip: int

    @property
    def where(self) -> dict[str, str]:
        """Posting dimensions of the sale."""
        return dimensions(order=self.order_id, party=self.customer_id, outlet=self.outlet_id)


def sell(event: Event[Any], view: View, order: Order, sale: Sale) -> list[Effect]:
    """A sale no invoice exists for: cash and receivable / revenue:pos + tax:output.

    The electronic share becomes an open invoice until its payment succeeds.
    """
    where = sale.where
    postings = []
    if sale.cash:
        postings.append(Posting(chart.drawer(sale.outlet_id), sale.asset, sale.cash, where))
    if sale.electronic:
        postings.append(Posting(chart.RECEIVABLE, sale.asset, sale.electronic, where))
    postings.append(Posting(chart.revenue("pos"), sale.asset, -sale.net, where))
    if sale.tax:
        postings.append(Posting(chart.TAX_OUTPUT, sale.asset, -sale.tax, where))
    effects: list[Effect] = [Post(postings)]
    order = order.replaced(
        sold=True,
        sold_net=sale.net,
        sold_tax=sale.tax,
        sold_asset=sale.asset,
        sold_outlet=sale.outlet_id,
    )
    if sale.electronic:
        invoice, opened = _open_share(event, view.tenant(event.tenant_id), sale)
        order, _, waited = apply_waiting(event, view, order, invoice, final=False)
        order = order.replaced(invoice_id=invoice.invoice_id)
        effects += [*opened, *waited]
    effects.append(Put(order))
    return effects


def _open_share(event: Event[Any], tenant: Tenant, sale: Sale) -> tuple[Invoice, list[Effect]]:
    """An open invoice for what the till left unpaid; its tax stands with the sale."""
    day = local_date(event.timestamp_ms, tenant.time_zone).isoformat()
    invoice = Invoice(
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
    )
    return invoice, [Put(invoice), Emit("treasury.invoice.created", told(invoice))]


def sell_invoiced(
    event: Event[Any], view: View, order: Order, invoice: Invoice, sale: Sale
) -> list[Effect]:
    """A sale of an order that is invoiced: its cash pays the invoice, revenue is not posted twice.

    The electronic share is what the invoice stays open for.
    """
    drawer = chart.drawer(sale.outlet_id)
    effects: list[Effect] = []
    if sale.cash:
        invoice, effects, rest = settle(invoice, drawer, sale.cash, sale.where)
        if rest:
            effects += overpaid(event, view, invoice, drawer, rest)
    return [*effects, Put(order.replaced(sold=True))]


def take_tip(sale: Sale) -> list[Effect]:
    """A tip in cash: drawer / tips."""
    if not sale.tip:
        return []
    drawer = Posting(chart.drawer(sale.outlet_id), sale.asset, sale.tip, sale.where)
    return [Post([drawer, Posting(chart.TIPS, sale.asset, -sale.tip, sale.where)])]


def told_cash(event: Event[Any], sale: Sale) -> list[Effect]:
    """The success event of the cash a till took."""
    if not sale.cash:
        return []
    said = {
        "payment_id": event.derive("payment"),
        "order_id": sale.order_id,
        "amount": json_number(sale.cash, sale.asset),
        "provider_reference": "cash",
        "currency": sale.asset,
        "provider": "cash",
    }
    return [Emit("treasury.payment.success", said)]


def sale_becomes_payment(
    event: Event[Any], view: View, order: Order, invoice: Invoice
) -> tuple[Order, Invoice, list[Effect]]:
    """The till was first: undo its revenue and tax, and let what it took pay the invoice."""
    if not order.sold_asset:
        return order, invoice, []
    where = dimensions(order=order.order_id, outlet=order.sold_outlet)
    open_share = view.row(Invoice, event.tenant_id, order.invoice_id)
    owed = open_share.outstanding if open_share else 0
    took = order.sold_net + order.sold_tax - owed
    pos = chart.revenue("pos")
    invoice, effects, rest = settle(invoice, pos, took, where)
    if rest:
        effects += overpaid(event, view, invoice, pos, rest)
    legs = [
        Posting(pos, invoice.asset, order.sold_net - took, where),
        Posting(chart.TAX_OUTPUT, invoice.asset, order.sold_tax, where),
        Posting(chart.RECEIVABLE, invoice.asset, -owed, where),
    ]
    legs = [leg for leg in legs if leg.minor]
    if legs:
        effects.append(Post(legs))
    if open_share:
        void = open_share.replaced(status="void", version=open_share.version + 1)
        effects += [Put(void), Emit("treasury.invoice.void", told(void))]
    cleared = order.replaced(sold_net=0, sold_tax=0, sold_asset="", sold_outlet="")
    return cleared, invoice, effects

"""What the till tells: a completed order, with how it was paid."""

from typing import Literal

import msgspec

from agents.accounting import tax
from agents.accounting.sales import Sale, sell, sell_invoiced, take_tip, told_cash
from agents.effects import Effects, Refuse
from agents.registry import Event, View, handles
from agents.words import Code, Id, OptionalId
from streams.money import Amount
from streams.timestamps import local_date
from tables.invoices import Invoice, Order
from tables.tenants import Tenant


class Tender(msgspec.Struct, frozen=True, gc=False):
    """How a part was paid; `amount` is what was handed over, change included."""

    method: Literal["cash", "mpesa", "card", "paypal", "bank", "instant", "other"]
    amount: Amount
    reference: OptionalId = ""


class OrderCompleted(msgspec.Struct, frozen=True, gc=False):
    """A till order; tenders default to cash, and sum to total + change + tip (in cash)."""

    order_id: Id
    total_amount: Amount
    customer_id: OptionalId = ""
    outlet_id: OptionalId = ""
    currency: Code = ""
    tenders: list[Tender] = []
    change: Amount | None = None
    tip: Amount | None = None


@handles("pos.order.completed", OrderCompleted)
def order_completed(event: Event[OrderCompleted], view: View) -> Effects:
    """Cash is money at once; an electronic tender waits for its payment to succeed."""
    tenant = view.tenant(event.tenant_id)
    sale = _read(event, tenant)
    if isinstance(sale, Refuse):
        return [sale]
    order = view.row(Order, event.tenant_id, sale.order_id)
    if order is None:
        order = Order(event.tenant_id, sale.order_id)
    if order.sold:
        return [Refuse("order_already_sold")]
    told = [*take_tip(sale), *told_cash(event, sale)]
    if not order.invoice_id:
        return [*sell(event, view, order, sale), *told]
    invoice = view.row(Invoice, event.tenant_id, order.invoice_id)
    assert invoice is not None
    if invoice.asset != sale.asset:
        return [Refuse("currency_differs_from_invoice", http_status=422)]
    return [*sell_invoiced(event, view, order, invoice, sale), *told]


def _read(event: Event[OrderCompleted], tenant: Tenant) -> Sale | Refuse:
    data = event.data
    asset = data.currency or tenant.currency
    total = data.total_amount.minor(asset)
    change = data.change.minor(asset) if data.change else 0
    tip = data.tip.minor(asset) if data.tip else 0
    cash = electronic = 0
    for tender in data.tenders:
        amount = tender.amount.minor(asset)
        if amount <= 0:
            return Refuse("amount_not_positive", "a tender", 422)
        if tender.method == "cash":
            cash += amount
        else:
            electronic += amount
    cash = cash - change - tip if data.tenders else total
    if total <= 0 or change < 0 or tip < 0:
        return Refuse("amount_not_positive", http_status=422)
    if cash < 0 or cash + electronic != total:
        return Refuse("tenders_do_not_sum", "tenders = total + change + tip in cash", 422)
    day = local_date(event.timestamp_ms, tenant.time_zone)
    net, vat = tax.of_total(tenant, total, day)
    return Sale(
        data.order_id,
        data.customer_id,
        data.outlet_id,
        asset,
        net,
        vat,
        cash,
        electronic,
        tip,
    )

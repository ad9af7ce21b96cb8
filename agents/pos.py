"""What the till tells: a completed order with how it was paid, and a drawer that was counted."""

from typing import Literal

import msgspec

from agents.accounting import drawers, tax
from agents.accounting.sales import Sale, sell, sell_invoiced, take_cash
from agents.effects import Effects, Refuse
from agents.registry import Event, View, handles
from agents.words import Code, Id, OptionalId
from streams.money import Amount
from streams.timestamps import local_day, parse_ms
from tables.drawers import DrawerClosing, DrawerSession, session_key
from tables.invoices import Invoice, Order
from tables.tenants import Tenant


class Tender(msgspec.Struct, frozen=True, gc=False):
    """How a part was paid; `amount` is what was handed over, change included.

    `reference` is for people: it stays in the event.
    """

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


class DrawerClosed(msgspec.Struct, frozen=True, gc=False):
    """A drawer was counted at `closed_at` (RFC 3339, by default the event's time).

    `deposit` was taken out after counting; drops were taken out before. `opening_float` is what
    the till says it began with.
    """

    counted_amount: Amount
    outlet_id: OptionalId = ""
    session_id: OptionalId = ""
    currency: Code = ""
    closed_at: OptionalId = ""
    opening_float: Amount | None = None
    deposit: Amount | None = None
    paid_in: Amount | None = None
    paid_out: Amount | None = None
    drops: Amount | None = None


@handles("pos.order.completed", OrderCompleted)
def order_completed(event: Event[OrderCompleted], view: View) -> Effects:
    """Cash is money at once; an electronic tender waits for its payment to succeed."""
    tenant = view.tenant(event.tenant_id)
    sale = _read(event, tenant)
    if isinstance(sale, Refuse):
        yield sale
        return
    order = view.row(Order, event.tenant_id, sale.order_id)
    if order is None:
        order = Order(event.tenant_id, sale.order_id)
    if order.sold:
        yield Refuse("order_already_sold")
        return
    if order.invoice_id:
        invoice = view.row(Invoice, event.tenant_id, order.invoice_id)
        assert invoice is not None
        if invoice.asset != sale.asset:
            yield Refuse("currency_differs_from_invoice", http_status=422)
            return
        yield from sell_invoiced(event, view, order, invoice, sale)
    else:
        yield from sell(event, view, order, sale)
    yield from take_cash(event, view, sale)


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
    day = local_day(event.timestamp_ms, tenant.time_zone)
    parts = tax.of_total(tenant, total, day)
    return Sale(
        data.order_id,
        data.customer_id,
        data.outlet_id,
        asset,
        parts,
        cash,
        electronic,
        tip,
        _payment(data.tenders),
    )


def _payment(tenders: list[Tender]) -> str:
    """How it was paid, in a tax document's words."""
    methods = {tender.method for tender in tenders} or {"cash"}
    if len(methods) > 1:
        return "mixed"
    words = {"cash": "cash", "mpesa": "mobile_money", "card": "card"}
    return words.get(methods.pop(), "other")


@handles("pos.cash.drawer.closed", DrawerClosed)
def drawer_closed(event: Event[DrawerClosed], view: View) -> Effects:
    """Expected against counted: short or over; deposit and drops are on their way to the bank."""
    data, tenant = event.data, view.tenant(event.tenant_id)
    asset = data.currency or tenant.currency
    closed_ms = event.timestamp_ms
    if data.closed_at:
        closed_ms = parse_ms(data.closed_at) + event.now_ms - event.log_ms
    outlet = data.outlet_id or "main"
    if view.get(session_key(event.tenant_id, outlet, asset, closed_ms)) is not None:
        return [Refuse("drawer_already_closed")]
    about = (event.tenant_id, outlet, asset, data.session_id)
    if data.session_id and view.row(DrawerClosing, *about) is not None:
        return [Refuse("drawer_already_closed", "told before, of another moment")]
    if not event.now_ms - drawers.KEPT_MS < closed_ms <= event.timestamp_ms:
        return [Refuse("closing_out_of_bounds", "within 35 days, not after its event", 422)]
    amounts = {
        name: given.minor(asset) if given else 0
        for name, given in (
            ("counted", data.counted_amount),
            ("deposit", data.deposit),
            ("paid_in", data.paid_in),
            ("paid_out", data.paid_out),
            ("drops", data.drops),
        )
    }
    opening = data.opening_float.minor(asset) if data.opening_float else None
    if min(*amounts.values(), opening or 0) < 0:
        return [Refuse("amount_not_positive", http_status=422)]
    if amounts["deposit"] > amounts["counted"]:
        return [Refuse("deposit_exceeds_count", http_status=422)]
    session = DrawerSession(
        event.tenant_id,
        outlet,
        asset,
        closed_ms,
        data.session_id or event.derive("drawer_session"),
        amounts["counted"],
        amounts["deposit"],
        amounts["paid_in"],
        amounts["paid_out"],
        amounts["drops"],
        opening,
    )
    return drawers.close(event, view, session, named=bool(data.session_id))

"""What the café tells: an order becomes an invoice, and a use of a subscription is counted."""

import msgspec

from agents.accounting import metering
from agents.accounting.invoicing import Claim, apply_waiting, raise_invoice
from agents.accounting.lines import LineGiven, itemise, quantity_of
from agents.accounting.sales import declared_by_till, sale_becomes_payment
from agents.accounting.tax import of_gross, rates_of
from agents.effects import Effects, Park, Put, Refuse, Unfit
from agents.registry import Event, View, handles
from agents.words import Code, Day, Id, OptionalId, Text
from streams.money import Amount
from streams.timestamps import local_day, parse_day
from tables.invoices import Order
from tables.subscriptions import Plan, Subscription
from tables.tenants import Tenant


class OrderCreated(msgspec.Struct, frozen=True, gc=False):
    """An order to be paid. `total_amount` is gross for a tenant registered for tax.

    With lines it is their sum; `tax_inclusive` says whether their amounts contain the tax.
    """

    order_id: Id
    total_amount: Amount
    customer_id: OptionalId = ""
    currency: Code = ""
    outlet_id: OptionalId = ""
    due_date: Day | None = None
    lines: list[LineGiven] = []
    tax_inclusive: bool = True
    reference: OptionalId = ""


class UsageMetered(msgspec.Struct, frozen=True, gc=False):
    """A subscription's meter counted `quantity`, six decimals at most, at the event's time."""

    subscription_id: Id
    meter: Text
    quantity: Amount


@handles("cafe.order.created", OrderCreated)
def order_created(event: Event[OrderCreated], view: View) -> Effects:
    """Invoice the order: receivable / revenue:cafe + tax:output.

    A till may have sold the same order before: then its sale becomes the invoice's payment.
    Money that came before the invoice is applied to it.

    Effects are given one by one, so that each step reads what the one before it changed.
    """
    data, tenant = event.data, view.tenant(event.tenant_id)
    asset = data.currency or tenant.currency
    total = data.total_amount.minor(asset)
    order = view.row(Order, event.tenant_id, data.order_id)
    order = order or Order(event.tenant_id, data.order_id)
    refusal = _refusal(order, asset, total)
    if refusal is not None:
        yield refusal
        return
    claim = declared_by_till(view, order, _claim(event, tenant, asset, total))
    invoice, raised = raise_invoice(event, view, tenant, claim)
    yield from raised
    order, invoice = yield from sale_becomes_payment(event, view, order, invoice)
    order, invoice = yield from apply_waiting(event, view, order, invoice, final=True)
    yield Put(order.replaced(invoice_id=invoice.invoice_id))


def _claim(event: Event[OrderCreated], tenant: Tenant, asset: str, total: int) -> Claim:
    data = event.data
    if data.due_date:
        parse_day(data.due_date)
    rates = rates_of(tenant, local_day(event.timestamp_ms, tenant.time_zone))
    claim = Claim(
        data.order_id,
        data.customer_id,
        data.outlet_id,
        "cafe",
        asset,
        total,
        data.due_date or "",
        parts=of_gross(rates, total),
        reference=data.reference,
    )
    if not data.lines:
        return claim
    items = itemise(data.lines, asset, rates, inclusive=data.tax_inclusive)
    if items.total != total:
        raise Unfit("lines_do_not_sum", "the lines and their tax sum to the total")
    return msgspec.structs.replace(claim, parts=items.parts, lines=items.lines)


def _refusal(order: Order, asset: str, total: int) -> Refuse | None:
    if total <= 0:
        return Refuse("amount_not_positive", http_status=422)
    if order.invoice_id and not order.sold_asset:
        return Refuse("order_already_invoiced")
    if order.sold_asset not in {"", asset}:
        return Refuse("currency_differs_from_sale", http_status=422)
    return None


@handles("cafe.subscription.usage.metered", UsageMetered)
def usage_metered(event: Event[UsageMetered], view: View) -> Effects:
    """Count it for the period it was in; it waits for a subscription that is not known yet."""
    data = event.data
    row = view.row(Subscription, event.tenant_id, data.subscription_id)
    if row is None:
        key = Subscription.key_of(event.tenant_id, data.subscription_id)
        return [Park(key, "subscription_unknown")]
    quantity = quantity_of(data.quantity)
    if quantity <= 0:
        return [Refuse("quantity_not_positive", http_status=422)]
    if row.status == "ended":
        return [Refuse("subscription_ended")]
    plan = view.row(Plan, event.tenant_id, row.plan_id)
    assert plan is not None
    meter = next((meter for meter in plan.meters if meter.name == data.meter), None)
    if meter is None:
        return [Refuse("meter_unknown", data.meter[:64], 422)]
    return metering.count(event, view, row, plan, meter=meter, quantity=quantity)

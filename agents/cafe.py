"""What the café tells: an order becomes an invoice."""

import msgspec

from agents.accounting.invoicing import Claim, apply_waiting, raise_invoice
from agents.accounting.sales import sale_becomes_payment
from agents.effects import Effects, Put, Refuse
from agents.registry import Event, View, handles
from agents.words import Code, Day, Id, OptionalId
from streams.money import Amount
from tables.invoices import Order


class OrderCreated(msgspec.Struct, frozen=True, gc=False):
    """An order to be paid. `total_amount` is gross for a tenant registered for tax."""

    order_id: Id
    total_amount: Amount
    customer_id: OptionalId = ""
    currency: Code = ""
    outlet_id: OptionalId = ""
    due_date: Day | None = None


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
    claim = Claim(
        data.order_id,
        data.customer_id,
        data.outlet_id,
        "cafe",
        asset,
        total,
        data.due_date or "",
    )
    invoice, raised = raise_invoice(event, tenant, claim)
    yield from raised
    order, invoice, sold = sale_becomes_payment(event, view, order, invoice)
    yield from sold
    order, invoice, waited = apply_waiting(event, view, order, invoice, final=True)
    yield from waited
    yield Put(order.replaced(invoice_id=invoice.invoice_id))


def _refusal(order: Order, asset: str, total: int) -> Refuse | None:
    if total <= 0:
        return Refuse("amount_not_positive", http_status=422)
    if order.invoice_id and not order.sold_asset:
        return Refuse("order_already_invoiced")
    if order.sold_asset not in {"", asset}:
        return Refuse("currency_differs_from_sale", http_status=422)
    return None

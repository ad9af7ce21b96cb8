"""What inventory tells: goods that came in for a purchase order, and costs that leave the stock."""

import msgspec

from agents.accounting import budgets, chart
from agents.accounting.cases import dimensions
from agents.accounting.lines import LINES_MAX, priced, quantity_of
from agents.accounting.purchasing import Received, receive
from agents.effects import Effects, Post, Refuse, Unfit
from agents.registry import Event, View, handles
from agents.words import Code, Id, OptionalId, Text
from streams.journal import Posting
from streams.money import Amount
from tables.purchases import Purchase


class ItemReceived(msgspec.Struct, frozen=True, gc=False):
    """So much of an item came in, at the order's price for one, without tax."""

    item_id: Id
    quantity: Amount
    unit_price: Amount


class GoodsReceived(msgspec.Struct, frozen=True, gc=False):
    """A delivery for an order, in items or (without them) by its value without tax."""

    po_id: Id
    supplier_id: Id
    lines: list[ItemReceived] = []
    total_amount: Amount | None = None
    currency: Code = ""
    project_id: OptionalId = ""


class CostAllocated(msgspec.Struct, frozen=True, gc=False):
    """Stock was used: cost of goods sold, or (with a category) an expense, perhaps of a project."""

    amount: Amount
    currency: Code = ""
    category: Text = ""
    project_id: OptionalId = ""
    outlet_id: OptionalId = ""
    order_id: OptionalId = ""


@handles("inventory.po.received", GoodsReceived)
def goods_received(event: Event[GoodsReceived], view: View) -> Effects:
    """Inventory / grni; bills that waited for these goods are matched again."""
    data, tenant = event.data, view.tenant(event.tenant_id)
    asset = data.currency or tenant.currency
    received = [
        Received(line.item_id, quantity_of(line.quantity), line.unit_price.minor(asset))
        for line in data.lines
    ]
    if len(received) > LINES_MAX:
        return [Refuse("too_many_lines", http_status=422)]
    value = _value(data, asset, received)
    purchase = view.row(Purchase, event.tenant_id, data.po_id)
    if purchase is None:
        purchase = Purchase(
            event.tenant_id,
            data.po_id,
            data.supplier_id,
            asset,
            project_id=data.project_id,
            version=0,
            created_ms=event.now_ms,
        )
    if purchase.asset != asset:
        return [Refuse("currency_differs_from_order", http_status=422)]
    if purchase.supplier_id != data.supplier_id:
        return [Refuse("supplier_differs_from_order", http_status=422)]
    return receive(event, view, purchase, received, value)


def _value(data: GoodsReceived, asset: str, received: list[Received]) -> int:
    """Minor units of a delivery. Raises Unfit when it has none, or two."""
    if any(item.quantity <= 0 or item.price < 0 for item in received):
        raise Unfit("quantity_not_positive")
    value = sum(priced(item.quantity, item.price) for item in received)
    if data.total_amount is not None:
        given = data.total_amount.minor(asset)
        if received and given != value:
            raise Unfit("lines_do_not_sum", "quantity times price, rounded per line")
        value = given
    if value <= 0:
        raise Unfit("amount_not_positive")
    return value


@handles("inventory.cost.allocated", CostAllocated)
def cost_allocated(event: Event[CostAllocated], view: View) -> Effects:
    """Cogs or expense / inventory."""
    data, tenant = event.data, view.tenant(event.tenant_id)
    asset = data.currency or tenant.currency
    amount = data.amount.minor(asset)
    if amount <= 0:
        yield Refuse("amount_not_positive", http_status=422)
        return
    where = dimensions(project=data.project_id, outlet=data.outlet_id, order=data.order_id)
    account = chart.expense(data.category) if data.category else chart.COGS
    yield Post(
        [
            Posting(account, asset, amount, where),
            Posting(chart.INVENTORY, asset, -amount, where),
        ]
    )
    yield from budgets.spend(
        event,
        view,
        project_id=data.project_id,
        category=data.category or chart.COGS,
        asset=asset,
        actual=amount,
    )

"""Goods received and not invoiced (GRNI): what comes in waits for its bill, or the bill for it.

Goods: inventory / grni at the order's prices. Bill of an order: grni + tax:input ± price_variance /
payable. It covers what was received and not billed: by quantity where its lines name items, else by
amount, where less than all by more than the tolerance is a part. A bill for more than came and is
not billed, in quantity or in value, waits for goods; one whose price is off by more than the
tolerance waits until somebody accepts it.
"""

from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

from agents.accounting import chart, payables
from agents.accounting.cases import dimensions
from agents.accounting.lines import priced
from agents.effects import Effect, Emit, Post, Put
from agents.registry import Event, View
from streams.journal import Posting
from streams.money import half_up, json_number
from tables.payables import Bill
from tables.purchases import Item, Purchase
from tables.tenants import Tenant


class Received(NamedTuple):
    """Items that came in: quantity in millionths, price minor units for one."""

    item_id: str
    quantity: int
    price: int


class Match(NamedTuple):
    """What a bill covers of its order: minor units cleared, the items after it, or why it waits."""

    cleared: int
    items: tuple[Item, ...]
    why: str = ""


def receive(
    event: Event[Any], view: View, purchase: Purchase, received: list[Received], value: int
) -> Iterator[Effect]:
    """Goods came in, worth `value` (minor units); bills that waited for them go on."""
    where = dimensions(
        party=purchase.supplier_id, order=purchase.order_id, project=purchase.project_id
    )
    yield Post(
        [
            Posting(chart.INVENTORY, purchase.asset, value, where),
            Posting(chart.GRNI, purchase.asset, -value, where),
        ]
    )
    purchase = purchase.replaced(
        received=purchase.received + value,
        items=_with(purchase.items, received),
        version=purchase.version + 1,
    )
    yield from match_waiting(event, view, purchase)


def match_waiting(event: Event[Any], view: View, purchase: Purchase) -> Iterator[Effect]:
    """Match the order's waiting bills again, in their order; ends with the order itself."""
    left = []
    for bill_id in purchase.waiting:
        bill = view.row(Bill, event.tenant_id, bill_id)
        if bill is None or bill.status != "waiting":
            continue
        purchase, matched = yield from match(event, view, purchase, bill)
        if not matched:
            left.append(bill_id)
    yield Put(purchase.replaced(waiting=tuple(left)))


def match(
    event: Event[Any], view: View, purchase: Purchase, bill: Bill, *, accepted: bool = False
) -> Generator[Effect, None, tuple[Purchase, bool]]:
    """Open the bill if it fits what came in (or somebody accepted it), else say why it waits."""
    found = _match(purchase, bill, view.tenant(event.tenant_id), accepted=accepted)
    if found.why:
        if found.why != bill.why:
            after = bill.replaced(why=found.why, version=bill.version + 1)
            yield Put(after)
            yield Emit("treasury.reconciliation.exception", _said(after, purchase))
        return purchase, False
    where = payables.of_bill(bill)
    legs = [
        Posting(chart.GRNI, bill.asset, found.cleared, where),
        Posting(chart.PRICE_VARIANCE, bill.asset, bill.net - found.cleared, where),
    ]
    yield from payables.open_bill(bill.replaced(cleared=found.cleared), legs)
    purchase = purchase.replaced(
        cleared=purchase.cleared + found.cleared, items=found.items, version=purchase.version + 1
    )
    return purchase, True


def _match(purchase: Purchase, bill: Bill, tenant: Tenant, *, accepted: bool) -> Match:
    found = _by_lines(purchase, bill) if bill.lines else _by_amount(purchase, bill, tenant)
    if found.why:
        return found
    if not accepted and abs(bill.net - found.cleared) > _tolerance(tenant, found.cleared):
        return found._replace(why="price_differs")
    return found


def _tolerance(tenant: Tenant, minor: int) -> int:
    settings = tenant.settings
    return max(half_up(minor * settings.tolerance_bp, 10_000), settings.tolerance_minor)


def _by_amount(purchase: Purchase, bill: Bill, tenant: Tenant) -> Match:
    """All that is unbilled, or a part of it if the bill is lower by more than the tolerance."""
    unbilled = purchase.unbilled
    if unbilled <= 0:
        return Match(0, purchase.items, "goods_not_received")
    part = bill.net < unbilled - _tolerance(tenant, unbilled)
    return Match(bill.net if part else unbilled, purchase.items)


def _by_lines(purchase: Purchase, bill: Bill) -> Match:
    """The quantities that the bill names, at what they were received for.

    Bills by amount say nothing of items: what they have cleared bounds what lines may clear.
    """
    by_id = {item.item_id: item for item in purchase.items}
    cleared = 0
    for line in bill.lines:
        item = by_id.get(line.item_id)
        if item is None or item.billed + line.quantity > item.received:
            return Match(0, purchase.items, "goods_not_received")
        billed = item.billed + line.quantity
        # All of it leaves nothing behind, whatever was rounded on the way.
        value = (
            item.value if billed == item.received else half_up(item.value * billed, item.received)
        )
        cleared += value - item.cleared
        by_id[line.item_id] = Item(item.item_id, item.received, item.value, billed, value)
    if cleared > purchase.unbilled:
        return Match(0, purchase.items, "goods_not_received")
    return Match(cleared, tuple(by_id[item.item_id] for item in purchase.items))


def _with(items: tuple[Item, ...], received: list[Received]) -> tuple[Item, ...]:
    by_id = {item.item_id: item for item in items}
    for item_id, quantity, price in received:
        item = by_id.get(item_id, Item(item_id))
        by_id[item_id] = Item(
            item_id,
            item.received + quantity,
            item.value + priced(quantity, price),
            item.billed,
            item.cleared,
        )
    return tuple(by_id[item_id] for item_id in sorted(by_id))


def _said(bill: Bill, purchase: Purchase) -> dict[str, Any]:
    return {
        "kind": f"bill_{bill.why}",
        "bill_id": bill.bill_id,
        "supplier_id": bill.supplier_id,
        "order_id": bill.order_id,
        "amount": json_number(bill.net, bill.asset),
        "received_unbilled": json_number(purchase.unbilled, purchase.asset),
        "currency": bill.asset,
        "sequence": bill.version,
    }

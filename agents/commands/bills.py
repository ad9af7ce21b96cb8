"""Suppliers' bills: enter, accept one that waits, void, pay without a gateway."""

import msgspec

from agents.accounting import budgets, chart, payables, purchasing
from agents.accounting.invoicing import days_later
from agents.accounting.lines import LINES_MAX, priced, quantity_of
from agents.accounting.tax import can_withhold, withheld
from agents.commands.base import Command, answered, demand, found, not_below_zero, positive, same
from agents.commands.expenses import payment_of
from agents.effects import Delete, Effects, Put, Unfit
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Code, Day, Id, Metadata, OptionalId, Text
from streams.journal import Posting
from streams.money import Amount
from streams.timestamps import local_day, parse_day
from tables.payables import Bill, BillLine, BillNumber
from tables.purchases import Purchase

CREATE = "treasury.command.bill.create"
ACCEPT = "treasury.command.bill.approve"
VOID = "treasury.command.bill.void"
PAY = "treasury.command.bill.pay"


class BillLineGiven(msgspec.Struct, frozen=True, gc=False):
    """So much of an ordered item, at the supplier's price for one, without tax."""

    item_id: Id
    quantity: Amount
    unit_price: Amount


class CreateBill(Command, frozen=True):
    """A supplier's bill: `amount` contains `tax_amount`. Of a purchase order, or of a category.

    `tax_document` is the number of its eTIMS invoice.
    """

    supplier_id: Id
    number: Id
    amount: Amount
    tax_amount: Amount | None = None
    currency: Code = ""
    po_id: OptionalId = ""
    category: Text = ""
    project_id: OptionalId = ""
    issued_date: Day | None = None
    due_date: Day | None = None
    lines: list[BillLineGiven] = []
    withholding: OptionalId = ""
    tax_document: OptionalId = ""
    metadata: Metadata = {}


class OfBill(Command, frozen=True):
    """A command about one bill."""

    bill_id: Id


class PayBill(Command, frozen=True):
    """It was paid from `account` (a bank account or a drawer); without an amount, all of it."""

    bill_id: Id
    account: Text
    amount: Amount | None = None


@handles(CREATE, CreateBill, ingress=COMMANDS)
def create(event: Event[CreateBill], view: View) -> Effects:
    """Of an order, matched with what came in; else its cost / payable at once."""
    data = event.data
    bill = _bill(event, view)
    known = view.row(BillNumber, event.tenant_id, data.supplier_id, data.number)
    demand(known is None, "bill_number_exists")
    one_of_both = bool(data.po_id) != bool(data.category)
    demand(one_of_both, "order_or_category", "a bill is of a po_id or of a category", 422)
    yield Put(BillNumber(event.tenant_id, data.supplier_id, data.number, bill.bill_id))
    if data.po_id:
        yield from _of_order(event, view, bill)
    else:
        legs = [Posting(chart.expense(bill.category), bill.asset, bill.net, payables.of_bill(bill))]
        yield from payables.open_bill(bill, legs)
        yield from budgets.spend(
            event,
            view,
            project_id=bill.project_id,
            category=bill.category,
            asset=bill.asset,
            actual=bill.net,
        )
    yield from answered(same(view, Bill, event.tenant_id, bill.bill_id), 201)


def _bill(event: Event[CreateBill], view: View) -> Bill:
    data, tenant = event.data, view.tenant(event.tenant_id)
    asset = data.currency or tenant.currency
    for day in (data.issued_date, data.due_date):
        if day:
            parse_day(day)
    issued = data.issued_date or local_day(event.timestamp_ms, tenant.time_zone)
    total, tax = positive(data.amount, asset), not_below_zero(data.tax_amount, asset)
    if tax >= total:
        raise Unfit("tax_exceeds_amount")
    if data.withholding and not can_withhold(tenant.country, data.withholding):
        raise Unfit("withholding_unknown", f"in {tenant.country}")
    return Bill(
        event.tenant_id,
        event.derive("bill"),
        data.supplier_id,
        data.number,
        asset,
        total,
        tax,
        order_id=data.po_id,
        category=data.category,
        project_id=data.project_id,
        withheld=withheld(tenant.country, data.withholding, total - tax, asset),
        issued_date=issued,
        due_date=data.due_date or days_later(issued, tenant.payment_terms_days),
        lines=_lines(data, asset, total - tax),
        created_ms=event.now_ms,
        version=0,
        tax_document=data.tax_document,
        metadata=data.metadata,
    )


def _lines(data: CreateBill, asset: str, net: int) -> tuple[BillLine, ...]:
    if len(data.lines) > LINES_MAX:
        raise Unfit("too_many_lines")
    lines = []
    for line in data.lines:
        quantity, price = quantity_of(line.quantity), line.unit_price.minor(asset)
        if quantity <= 0 or price < 0:
            raise Unfit("quantity_not_positive")
        lines.append(BillLine(line.item_id, quantity, priced(quantity, price)))
    if lines and sum(line.net for line in lines) != net:
        raise Unfit("lines_do_not_sum", "to the amount without its tax")
    return tuple(lines)


def _of_order(event: Event[CreateBill], view: View, bill: Bill) -> Effects:
    """Matched now, or waiting in its order's queue."""
    purchase = view.row(Purchase, event.tenant_id, bill.order_id)
    if purchase is None:
        purchase = Purchase(
            event.tenant_id,
            bill.order_id,
            bill.supplier_id,
            bill.asset,
            project_id=bill.project_id,
            created_ms=event.now_ms,
        )
    demand(purchase.asset == bill.asset, "currency_differs_from_order", http_status=422)
    of_another = purchase.supplier_id != bill.supplier_id
    demand(not of_another, "supplier_differs_from_order", http_status=422)
    purchase, matched = yield from purchasing.match(event, view, purchase, bill)
    if not matched:
        purchase = purchase.replaced(
            waiting=(*purchase.waiting, bill.bill_id), version=purchase.version + 1
        )
    yield Put(purchase)


@handles(ACCEPT, OfBill, ingress=COMMANDS)
def accept(event: Event[OfBill], view: View) -> Effects:
    """Somebody accepts the price of a bill that waits for it; goods must have come in anyway."""
    bill = found(view, Bill, event.tenant_id, event.data.bill_id)
    demand(bill.status == "waiting", f"bill_{bill.status}", "it does not wait")
    purchase = same(view, Purchase, event.tenant_id, bill.order_id)
    bill = bill.replaced(accepted_by=event.data.actor or "api")
    purchase, matched = yield from purchasing.match(event, view, purchase, bill, accepted=True)
    demand(matched, "goods_not_received", "what is billed did not come in yet")
    waiting = tuple(other for other in purchase.waiting if other != bill.bill_id)
    yield from purchasing.match_waiting(event, view, purchase.replaced(waiting=waiting))
    yield from answered(same(view, Bill, event.tenant_id, bill.bill_id))


@handles(VOID, OfBill, ingress=COMMANDS)
def void(event: Event[OfBill], view: View) -> Effects:
    """A bill that waits is wrong; its number may be used again."""
    bill = found(view, Bill, event.tenant_id, event.data.bill_id)
    is_posted = "it is posted: correct it by a journal"
    demand(bill.status == "waiting", f"bill_{bill.status}", is_posted)
    purchase = same(view, Purchase, event.tenant_id, bill.order_id)
    waiting = tuple(other for other in purchase.waiting if other != bill.bill_id)
    yield Put(purchase.replaced(waiting=waiting, version=purchase.version + 1))
    after = bill.replaced(status="void", why="", version=bill.version + 1)
    yield Put(after)
    yield Delete(BillNumber.key_of(bill.tenant_id, bill.supplier_id, bill.number))
    yield from answered(after)


@handles(PAY, PayBill, ingress=COMMANDS)
def pay(event: Event[PayBill], view: View) -> Effects:
    """Payable / the account that paid."""
    data = event.data
    bill = found(view, Bill, event.tenant_id, data.bill_id)
    amount = payment_of(view, bill, data.account, data.amount)
    yield from payables.pay(event, view, bill, data.account, amount)
    yield from answered(same(view, Bill, event.tenant_id, bill.bill_id))

"""Payment intents: create, confirm, cancel. A confirmation starts an attempt.

One intent is open for an order at a time, and a caller's own reference names one for ever: a till
that asks twice, under two keys, is not paid twice.
"""

from typing import Literal

from agents.accounting import attempts, authorizations, chart, methods
from agents.accounting.receipts import OVER, Receipt, counted_for, receive
from agents.commands.base import Command, answered, demand, found, positive, same, unknown
from agents.effects import Answer, Effects, Put, Refuse, Schedule, Unschedule
from agents.registry import COMMANDS, Event, View, handles
from agents.shown import shown
from agents.words import Code, Id, Metadata, Method, OptionalId, Phone
from streams.money import Amount
from tables.invoices import Invoice, Order
from tables.payments import IntentReference, OpenIntent, Payment

INTENT_LIFETIME_MS = 24 * 3600 * 1000

CREATE_INTENT = "treasury.command.payment_intent.create"
CONFIRM = "treasury.command.payment.confirm"
CANCEL = "treasury.command.payment.cancel"

_NEVER_PAYABLE = frozenset({"draft", "void"})
"""Money for such an invoice has no home; beyond one that is paid it is its customer's credit."""
_NOT_HELD = "capture_unsupported", "this method takes money at once", 422


class CreateIntent(Command, frozen=True):
    """Wish to be paid: an amount, or an order or invoice whose outstanding amount it is.

    `reference` is the caller's own, unique for ever. With `capture_method` manual a confirmation
    only has the payer's money held, until it is captured. `quoted_amount` is what a payment in
    another currency pays of its invoice, in the invoice's: the rate is the caller's.
    """

    amount: Amount | None = None
    currency: Code = ""
    order_id: OptionalId = ""
    invoice_id: OptionalId = ""
    customer_id: OptionalId = ""
    reference: OptionalId = ""
    capture_method: Literal["automatic", "manual"] = "automatic"
    quoted_amount: Amount | None = None
    metadata: Metadata = {}


class Confirm(Command, frozen=True):
    """Start an attempt by `method`; `cash` says that a person took the money at an outlet."""

    payment_id: Id
    method: Method
    phone: Phone = ""
    provider_reference: OptionalId = ""
    outlet_id: OptionalId = ""


class Cancel(Command, frozen=True):
    """Give up a payment that nobody is paying."""

    payment_id: Id


@handles(CREATE_INTENT, CreateIntent, ingress=COMMANDS)
def create_intent(event: Event[CreateIntent], view: View) -> Effects:
    """A payment that waits for its confirmation, 24 hours at most."""
    data, tenant = event.data, view.tenant(event.tenant_id)
    known = data.reference and view.row(IntentReference, event.tenant_id, data.reference)
    demand(not known, "reference_already_used")
    invoice = _invoice(event, view)
    if data.invoice_id and invoice is None:
        raise unknown("invoice")
    if invoice is not None:
        payable = invoice.status not in _NEVER_PAYABLE
        demand(payable, "invoice_not_open", f"it is {invoice.status}", 422)
    if not data.order_id and invoice is None and data.amount is None:
        return [Refuse("amount_missing", "give an amount, an order or an invoice", 422)]
    asset = data.currency or (invoice.asset if invoice else tenant.currency)
    quoted = _quoted(data, invoice, asset)
    if invoice is not None and asset != invoice.asset and not quoted:
        return [Refuse("currency_differs_from_invoice", http_status=422)]
    if data.amount is None and invoice is None:
        return [Refuse("amount_missing", "the order has no invoice yet", 422)]
    if data.amount is None and invoice is not None and not invoice.outstanding:
        return [Refuse("invoice_not_open", "nothing of it is outstanding", 422)]
    amount = data.amount.minor(asset) if data.amount else invoice.outstanding if invoice else 0
    if amount <= 0:
        return [Refuse("amount_not_positive", http_status=422)]
    payment = Payment(
        event.tenant_id,
        event.derive("payment"),
        asset,
        amount,
        data.order_id or (invoice.order_id if invoice else ""),
        invoice.invoice_id if invoice else "",
        data.customer_id or (invoice.customer_id if invoice else ""),
        created_ms=event.now_ms,
        expires_ms=event.now_ms + INTENT_LIFETIME_MS,
        metadata=data.metadata,
        reference=data.reference,
        capture_method=data.capture_method,
        quoted=quoted,
        quoted_asset=invoice.asset if invoice and quoted else "",
    )
    return [
        *_alone(event, view, payment),
        Put(payment),
        Schedule(payment.expires_ms, "intent", payment.payment_id),
        Answer(201, shown(payment)),
    ]


def _quoted(data: CreateIntent, invoice: Invoice | None, asset: str) -> int:
    """What the payment pays of its invoice, minor units of the invoice's currency; 0: as it is.

    Raises Unfit for a quote of nothing, of too much, or of the same currency.
    """
    if data.quoted_amount is None:
        return 0
    other = invoice is not None and invoice.asset != asset and data.amount is not None
    demand(other, "quote_without_invoice", "an amount, and an invoice of another currency", 422)
    assert invoice is not None
    quoted = positive(data.quoted_amount, invoice.asset)
    words = f"{invoice.outstanding} minor units are outstanding"
    demand(quoted <= invoice.outstanding, "more_than_outstanding", words, 422)
    return quoted


def _alone(event: Event[CreateIntent], view: View, payment: Payment) -> list[Put]:
    """What keeps the intent the only one for its order. Raises Unfit if another one is open.

    One whose gateway has not said for a day how it ended keeps nobody from paying in another way:
    its money, should it come, has a home.
    """
    marks: list[Put] = []
    about = payment.order_id, "" if payment.order_id else payment.invoice_id
    if any(about):
        mark = view.row(OpenIntent, payment.tenant_id, *about)
        newest = view.row(Payment, payment.tenant_id, mark.payment_id) if mark else None
        if newest is not None:
            given_up = newest.status == "processing" and event.now_ms >= newest.expires_ms
            is_over = given_up or newest.status in OVER
            demand(is_over, "intent_open", f"pay or cancel {newest.payment_id} first")
        marks.append(Put(OpenIntent(payment.tenant_id, *about, payment.payment_id)))
    if payment.reference:
        named = IntentReference(payment.tenant_id, payment.reference, payment.payment_id)
        marks.append(Put(named))
    return marks


def _invoice(event: Event[CreateIntent], view: View) -> Invoice | None:
    data = event.data
    if data.invoice_id:
        return view.row(Invoice, event.tenant_id, data.invoice_id)
    order = view.row(Order, event.tenant_id, data.order_id) if data.order_id else None
    if order is None or not order.invoice_id:
        return None
    return view.row(Invoice, event.tenant_id, order.invoice_id)


@handles(CONFIRM, Confirm, ingress=COMMANDS)
def confirm(event: Event[Confirm], view: View) -> Effects:
    """Start an attempt: a call to the method's gateway, or cash that a till took."""
    data = event.data
    payment = found(view, Payment, event.tenant_id, data.payment_id)
    waits = payment.status == "requires_action"
    demand(waits, f"payment_{payment.status}", "a confirmation is not possible any more")
    if data.method == "cash":
        return _cash(event, view, payment)
    by_hand = payment.capture_method == "manual"
    gateways = methods.gateways_of(view.tenant(event.tenant_id), data.method, held=by_hand)
    methods.require_payable(data.method, payment.asset, payment.amount, data.phone)
    return _attempted(event, view, payment.replaced(method=data.method, phone=data.phone), gateways)


def _attempted(
    event: Event[Confirm], view: View, payment: Payment, gateways: tuple[str, ...]
) -> Effects:
    after = yield from attempts.attempt(event, view, payment, gateways)
    yield from answered(after, 202)


def _cash(event: Event[Confirm], view: View, payment: Payment) -> Effects:
    """Cash taken by a person the web layer has authorised for it."""
    demand(payment.capture_method != "manual", *_NOT_HELD)
    reference = event.data.provider_reference or event.derive("cash")
    drawer = chart.drawer(event.data.outlet_id)
    receipt = Receipt("cash", reference, drawer, payment.asset, payment.amount)
    if counted_for(event, view, receipt):
        yield Refuse("reference_already_used")
        return
    after = yield from receive(event, view, payment.replaced(method="cash"), receipt)
    yield from answered(after)


@handles(CANCEL, Cancel, ingress=COMMANDS)
def cancel(event: Event[Cancel], view: View) -> Effects:
    """A payment in flight cannot be cancelled: its money may be on its way.

    Of one that waits to be captured, the payer's bank is told first.
    """
    payment = found(view, Payment, event.tenant_id, event.data.payment_id)
    if payment.status == "requires_capture":
        yield from authorizations.let_go(event, payment)
        yield from answered(same(view, Payment, event.tenant_id, payment.payment_id), 202)
        return
    waits = payment.status == "requires_action"
    demand(waits, f"payment_{payment.status}", "it cannot be cancelled")
    yield Unschedule(payment.expires_ms, "intent", payment.payment_id)
    yield from attempts.ended(payment, "cancelled")
    yield from answered(same(view, Payment, event.tenant_id, payment.payment_id))

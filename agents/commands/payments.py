"""Payment intents: create, confirm, cancel. A confirmation starts an attempt."""

from agents.accounting import chart
from agents.accounting.receipts import Receipt, counted_for, receive
from agents.commands.base import Command, answered, demand, found, unknown
from agents.effects import Answer, CallGateway, Effects, Put, Refuse, Schedule, Unschedule
from agents.registry import COMMANDS, Event, View, handles
from agents.shown import shown
from agents.words import Code, Id, Metadata, Method, OptionalId, Phone
from streams.money import Amount, exponent_of, format_minor
from tables.invoices import Invoice, Order
from tables.payments import Payment

INTENT_LIFETIME_MS = 24 * 3600 * 1000
CALL_DEADLINE_MS = 60 * 1000

CREATE_INTENT = "treasury.command.payment_intent.create"
CONFIRM = "treasury.command.payment.confirm"
CANCEL = "treasury.command.payment.cancel"

GATEWAYS = {"instant": "instant"}
"""Method of a confirmation to the gateway that serves it; later gateways add their methods."""


class CreateIntent(Command, frozen=True):
    """Wish to be paid: an amount, or an order or invoice whose outstanding amount it is."""

    amount: Amount | None = None
    currency: Code = ""
    order_id: OptionalId = ""
    invoice_id: OptionalId = ""
    customer_id: OptionalId = ""
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
    invoice = _invoice(event, view)
    if data.invoice_id and invoice is None:
        raise unknown("invoice")
    if not data.order_id and invoice is None and data.amount is None:
        return [Refuse("amount_missing", "give an amount, an order or an invoice", 422)]
    asset = data.currency or (invoice.asset if invoice else tenant.currency)
    if invoice is not None and asset != invoice.asset:
        return [Refuse("currency_differs_from_invoice", http_status=422)]
    if data.amount is None and invoice is None:
        return [Refuse("amount_missing", "the order has no invoice yet", 422)]
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
    )
    return [
        Put(payment),
        Schedule(payment.expires_ms, "intent", payment.payment_id),
        Answer(201, shown(payment)),
    ]


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
    gateway = GATEWAYS.get(data.method)
    if gateway is None:
        return [Refuse("method_unknown", data.method[:32], 422)]
    call_id = event.derive("call")
    after = payment.replaced(
        status="processing",
        method=data.method,
        attempt=payment.attempt + 1,
        call_id=call_id,
        provider=gateway,
        version=payment.version + 1,
    )
    request = {
        "payment_id": payment.payment_id,
        "amount": format_minor(payment.amount, exponent_of(payment.asset)),
        "currency": payment.asset,
        "phone": data.phone,
    }
    deadline_ms = event.log_ms + CALL_DEADLINE_MS
    return [
        Put(after),
        CallGateway(call_id, gateway, "collect", payment.payment_id, request, deadline_ms),
        Answer(202, shown(after)),
    ]


def _cash(event: Event[Confirm], view: View, payment: Payment) -> Effects:
    """Cash taken by a person the web layer has authorised for it."""
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
    """A payment in flight cannot be cancelled: its money may be on its way."""
    payment = found(view, Payment, event.tenant_id, event.data.payment_id)
    waits = payment.status == "requires_action"
    demand(waits, f"payment_{payment.status}", "it cannot be cancelled")
    after = payment.replaced(status="cancelled", version=payment.version + 1)
    yield Unschedule(payment.expires_ms, "intent", payment.payment_id)
    yield Put(after)
    yield from answered(after)

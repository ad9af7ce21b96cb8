"""Commands of our own HTTP layer: payment intents and their confirmation.

A confirmation starts an attempt; it never marks anything paid without the provider's proof.
"""

import msgspec

from agents.accounting import chart
from agents.accounting.receipts import Receipt, receive
from agents.effects import Answer, CallGateway, Effects, Put, Refuse, Schedule
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Code, Id, OptionalId
from streams.money import Amount, exponent_of, format_minor
from tables.invoices import Invoice, Order
from tables.payments import Payment

INTENT_LIFETIME_MS = 24 * 3600 * 1000
CALL_DEADLINE_MS = 60 * 1000

CREATE_INTENT = "treasury.command.payment_intent.create"
CONFIRM = "treasury.command.payment.confirm"

GATEWAYS = {"instant": "instant"}
"""Method of a confirmation to the gateway that serves it; later gateways add their methods."""


class CreateIntent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Wish to be paid. Without an amount, what its invoice has outstanding."""

    amount: Amount | None = None
    currency: Code = ""
    order_id: OptionalId = ""
    invoice_id: OptionalId = ""
    customer_id: OptionalId = ""
    metadata: dict[str, str] = {}


class Confirm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Start an attempt by `method`; `phone` and the like go to the gateway as they are."""

    payment_id: Id
    method: str
    phone: str = ""
    provider_reference: OptionalId = ""


@handles(CREATE_INTENT, CreateIntent, ingress=COMMANDS)
def create_intent(event: Event[CreateIntent], view: View) -> Effects:
    """A payment that waits for its confirmation, 24 hours at most."""
    data, tenant = event.data, view.tenant(event.tenant_id)
    invoice = _invoice(event, view)
    if data.invoice_id and invoice is None:
        return [Refuse("invoice_unknown", http_status=404)]
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
        Answer(201, told(payment)),
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
    payment = view.row(Payment, event.tenant_id, data.payment_id)
    if payment is None:
        return [Refuse("payment_unknown", http_status=404)]
    if payment.status != "requires_confirmation":
        return [Refuse(f"payment_{payment.status}", "a confirmation is not possible any more")]
    if data.method == "cash":
        return _cash(event, view, payment)
    gateway = GATEWAYS.get(data.method)
    if gateway is None:
        return [Refuse("method_unknown", data.method[:32], 422)]
    attempt = payment.attempt + 1
    call_id = event.derive("call")
    after = payment.replaced(
        status="processing",
        method=data.method,
        attempt=attempt,
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
    deadline_ms = event.now_ms + CALL_DEADLINE_MS
    return [
        Put(after),
        CallGateway(call_id, gateway, "collect", payment.payment_id, request, deadline_ms),
        Answer(202, told(after)),
    ]


def _cash(event: Event[Confirm], view: View, payment: Payment) -> Effects:
    """Cash taken by a person the web layer has authorised for it."""
    reference = event.data.provider_reference or event.derive("cash")
    receipt = Receipt("cash", reference, chart.drawer(""), payment.asset, payment.amount)
    effects = receive(event, view, payment.replaced(method="cash"), receipt)
    if not effects:
        return [Refuse("reference_already_used")]
    after = payment.replaced(
        status="succeeded",
        method="cash",
        provider="cash",
        provider_reference=reference,
        version=payment.version + 1,
    )
    return [*effects, Answer(200, told(after))]


def told(payment: Payment) -> dict[str, object]:
    """A payment as the API shows it."""
    return {
        "payment_id": payment.payment_id,
        "status": payment.status,
        "amount": format_minor(payment.amount, exponent_of(payment.asset)),
        "currency": payment.asset,
        "order_id": payment.order_id,
        "invoice_id": payment.invoice_id,
        "customer_id": payment.customer_id,
        "method": payment.method,
        "attempt": payment.attempt,
        "provider": payment.provider,
        "provider_reference": payment.provider_reference,
        "failure": payment.failure,
        "created_ms": payment.created_ms,
        "expires_ms": payment.expires_ms,
        "metadata": payment.metadata,
        "version": payment.version,
    }

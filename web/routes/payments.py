"""Lines of the route table for payments: intents, refunds, disputes, cases, credits."""

from agents.commands.payments import Confirm
from tables.payments import Case, Credit, Dispute, GatewayCall, Payment, Refund
from web import scopes
from web.api import documents, payments
from web.bodies import body_of
from web.call import Route
from web.lines import API, TENANT, act, collection, resource
from web.schemas import paged, ref

_OF_ORDER = ("order_id", "customer_id")

PAYMENTS: tuple[Route, ...] = (
    # Tenant from the token, in the guide's own paths.
    act(
        "/payments/intents",
        "payment_intent.create",
        scopes.PAYMENTS_WRITE,
        "Create a payment intent.",
        within=API,
    ),
    Route(
        "POST",
        f"{API}/payments/confirm",
        payments.confirm,
        scopes.PAYMENTS_WRITE,
        model=body_of(Confirm),
        idempotent=True,
        summary="Confirm a payment intent: start an attempt by a method.",
        shows=ref("Payment"),
    ),
    # Tenant in the path, the same as in the token.
    *resource(
        *("/payments/intents", Payment, "payment_id", scopes.PAYMENTS_READ),
        *(*_OF_ORDER, "metadata"),
    ),
    Route(
        "GET",
        f"{TENANT}/payments/intents/{{payment_id}}/attempts",
        payments.list_attempts,
        scopes.PAYMENTS_READ,
        summary="List what was tried for a payment, newest first, and how it ended.",
        shows=paged(ref("GatewayCall")),
        paged=True,
    ),
    Route(
        "GET",
        f"{TENANT}/payments/intents/{{payment_id}}/receipt",
        documents.receipt_by_id,
        scopes.PAYMENTS_READ,
        summary="The page of a payment's receipt (HTML), to read and to print.",
    ),
    act(
        "/payments/intents/{payment_id}/capture",
        "payment.capture",
        scopes.PAYMENTS_WRITE,
        "Take what the payer's bank holds, in part or whole.",
    ),
    act(
        "/payments/intents/{payment_id}/cancel",
        "payment.cancel",
        scopes.PAYMENTS_WRITE,
        "Give up a payment that nobody is paying.",
    ),
    act(
        "/payments/intents/{payment_id}/refunds",
        "payment.refund",
        scopes.REFUNDS_WRITE,
        "Give money back.",
    ),
    act(
        "/payments/intents/{payment_id}/disputes",
        "dispute.open",
        scopes.DISPUTES_WRITE,
        "Note that the payer's bank took money back.",
    ),
    *resource("/refunds", Refund, "refund_id", scopes.PAYMENTS_READ, "metadata"),
    act(
        "/refunds/{refund_id}/approve",
        "refund.approve",
        scopes.REFUNDS_APPROVE,
        "Let a refund go that somebody else asked for.",
    ),
    act(
        "/refunds/{refund_id}/reject",
        "refund.reject",
        scopes.REFUNDS_APPROVE,
        "Do not send a refund that waits.",
    ),
    *resource("/calls", GatewayCall, "call_id", scopes.CASES_READ),
    act(
        "/calls/{call_id}/resolve",
        "call.resolve",
        scopes.CASES_WRITE,
        "Say how a call to a gateway ended that nobody knows of, as its statement shows.",
    ),
    *resource("/disputes", Dispute, "dispute_id", scopes.PAYMENTS_READ),
    act(
        "/disputes/{dispute_id}/close",
        "dispute.close",
        scopes.DISPUTES_WRITE,
        "Note how a dispute ended.",
    ),
    *resource("/cases", Case, "case_id", scopes.CASES_READ, "order_id"),
    act(
        "/cases/{case_id}/resolve",
        "case.resolve",
        scopes.CASES_WRITE,
        "Say where money without a home belongs.",
    ),
    collection("/credits", Credit, scopes.PAYMENTS_READ, "customer_id"),
)

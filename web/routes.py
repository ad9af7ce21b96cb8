"""The one table of everything this service answers: routing, authorisation and the specification
follow from it. Adding a route is one line here and one handler in web/api/.
"""

from web import ops, scopes
from web.api import balances, entries, events, invoices, payments
from web.api.models import ConfirmBody, CreateIntentBody
from web.call import Route

API = "/api/v1"
TENANT = f"{API}/{{tenant}}"

_PARTY = ("status", "order_id", "customer_id")

ROUTES: tuple[Route, ...] = (
    # Tenant from the token.
    Route(
        "POST",
        f"{API}/payments/intents",
        payments.create_intent,
        scopes.PAYMENTS_WRITE,
        model=CreateIntentBody,
        idempotent=True,
        summary="Create a payment intent.",
    ),
    Route(
        "POST",
        f"{API}/payments/confirm",
        payments.confirm,
        scopes.PAYMENTS_WRITE,
        model=ConfirmBody,
        idempotent=True,
        summary="Confirm a payment intent: start an attempt by a method.",
    ),
    # Tenant in the path, the same as in the token.
    Route(
        "GET",
        f"{TENANT}/payments/intents",
        payments.list_intents,
        scopes.PAYMENTS_READ,
        summary="List payment intents, newest first.",
        filters=(*_PARTY, "created_from", "created_to"),
        paged=True,
    ),
    Route(
        "GET",
        f"{TENANT}/payments/intents/{{payment_id}}",
        payments.get_intent,
        scopes.PAYMENTS_READ,
        summary="Get a payment intent.",
    ),
    Route(
        "GET",
        f"{TENANT}/balances",
        balances.list_balances,
        scopes.BALANCES_READ,
        summary="List balances by account and currency, as committed now.",
        filters=("account", "currency"),
    ),
    Route(
        "GET",
        f"{TENANT}/accounts",
        balances.list_accounts,
        scopes.BALANCES_READ,
        summary="List accounts with their balances.",
        filters=("account",),
    ),
    Route(
        "GET",
        f"{TENANT}/accounts/{{account}}",
        balances.get_account,
        scopes.BALANCES_READ,
        summary="Get an account with its balances.",
    ),
    Route(
        "GET",
        f"{TENANT}/invoices",
        invoices.list_invoices,
        scopes.INVOICES_READ,
        summary="List invoices, newest first.",
        filters=(*_PARTY, "due_from", "due_to"),
        paged=True,
    ),
    Route(
        "GET",
        f"{TENANT}/invoices/{{invoice_id}}",
        invoices.get_invoice,
        scopes.INVOICES_READ,
        summary="Get an invoice.",
    ),
    Route(
        "GET",
        f"{TENANT}/entries",
        entries.list_entries,
        scopes.ENTRIES_READ,
        summary="List ledger entries with their postings, newest first.",
        filters=("account", "event_type", "status", "from", "to"),
        paged=True,
    ),
    Route(
        "GET",
        f"{TENANT}/entries/{{event_id}}",
        entries.get_entries_of_event,
        scopes.ENTRIES_READ,
        summary="Get the entries of one event.",
    ),
    Route(
        "GET",
        f"{TENANT}/events/{{event_id}}",
        events.get_event,
        scopes.EVENTS_READ,
        summary="Get the life story of one event.",
    ),
    Route(
        "POST",
        f"{TENANT}/events:batch",
        events.post_events,
        scopes.EVENTS_WRITE,
        summary="Hand in events, one JSON envelope a line.",
    ),
    # Open to all.
    Route("GET", "/healthz", ops.healthz, None, summary="Whether the process answers."),
    Route("GET", "/readyz", ops.readyz, None, summary="Whether its partitions serve."),
    Route("GET", "/metrics", ops.metrics, None, summary="Metrics for Prometheus."),
    Route(
        "GET",
        "/.well-known/jwks.json",
        ops.key_set,
        None,
        summary="Public keys of the local issuer.",
    ),
)

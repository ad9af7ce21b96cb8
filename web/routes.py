"""The one table of everything this service answers: routing, authorisation and the specification
follow from it. Adding a route is one line here and one handler in web/api/.
"""

import agents.services  # noqa: F401  fills the registry, which has the bodies of commands
from agents.commands.payments import Confirm
from tables.accounts import AccountRule
from tables.balances import Hold
from tables.budgets import Budget
from tables.drawers import DrawerSession
from tables.earnings import Earnings
from tables.invoices import Invoice
from tables.journals import Conversion, Journal
from tables.payables import Bill, Expense
from tables.payments import Case, Credit, Dispute, Payment, Refund
from tables.payouts import Payout
from tables.purchases import Purchase
from tables.settlements import Settlement
from tables.subscriptions import Plan, Subscription
from tables.tenants import Threshold
from web import ops, schemas, scopes, specs
from web.access import ACCESS
from web.api import balances, books, entries, events, live, parties, payments
from web.api.resources import FILTERS, getting, list_invoices
from web.bodies import body_of
from web.call import Route
from web.lines import API, TENANT, act, collection, resource
from web.schemas import paged, ref

_OF_ORDER = ("order_id", "customer_id")

_PAYMENTS: tuple[Route, ...] = (
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
    *resource("/refunds", Refund, "refund_id", scopes.PAYMENTS_READ),
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

_INVOICES: tuple[Route, ...] = (
    act("/invoices", "invoice.create", scopes.INVOICES_WRITE, "Create an invoice.", within=API),
    act("/invoices", "invoice.create", scopes.INVOICES_WRITE, "Create an invoice."),
    Route(
        "GET",
        f"{TENANT}/invoices",
        list_invoices,
        scopes.INVOICES_READ,
        summary="List invoices to customers, or (type=supplier) bills of suppliers, newest first.",
        shows=paged({"anyOf": [ref("Invoice"), ref("Bill")]}),
        filters=(*FILTERS, *_OF_ORDER, "due_from", "due_to", "type", "metadata"),
        paged=True,
    ),
    Route(
        "GET",
        f"{TENANT}/invoices/{{invoice_id}}",
        getting(Invoice, "invoice_id"),
        scopes.INVOICES_READ,
        summary="Get an invoice.",
        shows=ref("Invoice"),
    ),
    *(
        act(f"/invoices/{{invoice_id}}/{verb}", command, scopes.INVOICES_WRITE, summary)
        for verb, command, summary in (
            ("issue", "invoice.issue", "Make an open invoice of a draft."),
            ("void", "invoice.void", "Take an invoice back that nobody paid anything of."),
            ("credit", "invoice.credit", "Lower an invoice by a credit note."),
            ("write-off", "invoice.write_off", "Give up what is outstanding."),
            ("withhold", "invoice.withhold", "Note what the customer withheld for the tax office."),
        )
    ),
)

_SPENDING: tuple[Route, ...] = (
    act("/bills", "bill.create", scopes.SPENDING_WRITE, "Enter a supplier's bill."),
    *resource("/bills", Bill, "bill_id", scopes.SPENDING_READ, "due_from", "due_to"),
    act(
        "/bills/{bill_id}/approve",
        "bill.approve",
        scopes.SPENDING_APPROVE,
        "Accept the price of a bill that waits for it.",
    ),
    act("/bills/{bill_id}/void", "bill.void", scopes.SPENDING_WRITE, "Void a bill that waits."),
    act("/bills/{bill_id}/pay", "bill.pay", scopes.SPENDING_APPROVE, "Note a bill's payment."),
    act("/expenses", "expense.create", scopes.SPENDING_WRITE, "Import or allocate an expense."),
    *resource("/expenses", Expense, "expense_id", scopes.SPENDING_READ),
    *(
        act(f"/expenses/{{expense_id}}/{verb}", f"expense.{verb}", scopes.SPENDING_APPROVE, summary)
        for verb, summary in (
            ("approve", "Approve an expense."),
            ("reject", "Reject an expense."),
            ("pay", "Note an expense's payment."),
        )
    ),
    *resource("/purchase-orders", Purchase, "po_id", scopes.SPENDING_READ),
    act("/budgets", "budget.set", scopes.SPENDING_WRITE, "Set what a project may spend."),
    collection("/budgets", Budget, scopes.SPENDING_READ),
)

_PAYOUTS: tuple[Route, ...] = (
    act("/payouts", "payout.create", scopes.PAYOUTS_WRITE, "Create a payout."),
    *resource("/payouts", Payout, "payout_id", scopes.PAYOUTS_READ),
    *(
        act(f"/payouts/{{payout_id}}/{verb}", f"payout.{verb}", scopes.PAYOUTS_APPROVE, summary)
        for verb, summary in (
            ("approve", "Let a payout go that somebody else asked for."),
            ("reject", "Do not send a payout that waits."),
            ("return", "Note that a payout came back."),
        )
    ),
    collection("/earnings", Earnings, scopes.PAYOUTS_READ),
    Route(
        "GET",
        f"{TENANT}/payees/{{payee_id}}/statement",
        books.get_statement,
        scopes.PAYOUTS_READ,
        summary="A payee's statement: gross, deductions, paid, balance (format=json or csv).",
        shows=schemas.PAYEE,
        filters=("format",),
    ),
)

_BOOKS: tuple[Route, ...] = (
    collection("/settlements", Settlement, scopes.SETTLEMENTS_READ, within=API),
    *resource("/settlements", Settlement, "settlement_id", scopes.SETTLEMENTS_READ),
    collection("/drawer-sessions", DrawerSession, scopes.SETTLEMENTS_READ),
    Route(
        "GET",
        f"{TENANT}/parties",
        parties.list_parties,
        scopes.PARTIES_READ,
        summary="List what parties owe and are owed, by age and currency; by party.",
        shows=paged(schemas.PARTY_LINE),
        paged=True,
    ),
    Route(
        "GET",
        f"{TENANT}/parties/{{party_id}}",
        parties.get_party,
        scopes.PARTIES_READ,
        summary="What one party owes and is owed, by age and currency.",
        shows=schemas.PARTY,
    ),
    act("/plans", "plan.create", scopes.SUBSCRIPTIONS_WRITE, "Create a plan."),
    *resource("/plans", Plan, "plan_id", scopes.SUBSCRIPTIONS_READ),
    act("/subscriptions", "subscription.create", scopes.SUBSCRIPTIONS_WRITE, "Subscribe."),
    *resource("/subscriptions", Subscription, "subscription_id", scopes.SUBSCRIPTIONS_READ),
    act(
        "/subscriptions/{subscription_id}/cancel",
        "subscription.cancel",
        scopes.SUBSCRIPTIONS_WRITE,
        "Cancel a subscription.",
    ),
    act("/journals", "journal.post", scopes.BOOKS_WRITE, "Post a journal, or try one."),
    act("/journals:batch", "journal.batch", scopes.BOOKS_WRITE, "Post journals, all or none."),
    *resource("/journals", Journal, "journal_id", scopes.BOOKS_READ),
    act(
        "/journals/{journal_id}/reverse",
        "journal.reverse",
        scopes.BOOKS_WRITE,
        "Reverse a journal.",
    ),
    act(
        "/journals/{journal_id}/approve",
        "journal.approve",
        scopes.BOOKS_APPROVE,
        "Post a journal that somebody else asked for.",
    ),
    act(
        "/journals/{journal_id}/reject",
        "journal.reject",
        scopes.BOOKS_APPROVE,
        "Do not post a journal that waits.",
    ),
    act("/conversions", "conversion.create", scopes.BOOKS_WRITE, "Quote a conversion."),
    *resource("/conversions", Conversion, "conversion_id", scopes.BOOKS_READ),
    *(
        act(
            f"/conversions/{{conversion_id}}/{verb}",
            f"conversion.{verb}",
            scopes.BOOKS_WRITE,
            words,
        )
        for verb, words in (
            ("complete", "Note at what rate money was converted."),
            ("cancel", "Do not take a quote."),
        )
    ),
    act("/thresholds", "threshold.set", scopes.BOOKS_WRITE, "Watch an account's balance."),
    collection("/thresholds", Threshold, scopes.BOOKS_READ),
    act("/periods/close", "period.close", scopes.BOOKS_CLOSE, "Close the books through a day."),
    Route(
        "GET",
        f"{TENANT}/trial-balance",
        books.get_trial_balance,
        scopes.BALANCES_READ,
        summary="All accounts' debits and credits, now or through a day.",
        shows=schemas.TRIAL_BALANCE,
        filters=("through",),
    ),
    act("/clock/advance", "clock.advance", scopes.SANDBOX_CLOCK, "Put a sandbox's clock forward."),
    Route(
        "GET",
        f"{TENANT}/clock",
        books.get_clock,
        scopes.BALANCES_READ,
        summary="The clock.",
        shows=schemas.CLOCK,
    ),
)

_LEDGER: tuple[Route, ...] = (
    act("/accounts", "account.set", scopes.BOOKS_WRITE, "Say whether an account may be overdrawn."),
    collection("/account-rules", AccountRule, scopes.BOOKS_READ),
    act("/holds", "hold.create", scopes.BOOKS_WRITE, "Set money of an account aside."),
    *resource("/holds", Hold, "hold_id", scopes.BOOKS_READ),
    act("/holds/{hold_id}/capture", "hold.capture", scopes.BOOKS_WRITE, "Move what was held."),
    act("/holds/{hold_id}/release", "hold.release", scopes.BOOKS_WRITE, "Free what was held."),
    Route(
        "GET",
        f"{TENANT}/balances",
        balances.list_balances,
        scopes.BALANCES_READ,
        summary="List balances by account and currency, as committed now or decided `at` a moment.",
        shows=schemas.listed(
            ref("BalanceShown"), has_more={"type": "boolean"}, position=schemas.POSITION
        ),
        filters=("account", "currency", "at"),
    ),
    Route(
        "GET",
        f"{TENANT}/balances/live",
        live.stream_balances,
        scopes.BALANCES_READ,
        summary="Balances now and whenever they change, as server-sent events.",
        filters=("account", "currency"),
        live=True,
    ),
    Route(
        "GET",
        f"{TENANT}/accounts",
        balances.list_accounts,
        scopes.BALANCES_READ,
        summary="List accounts with their balances.",
        shows=schemas.listed(
            ref("AccountShown"), has_more={"type": "boolean"}, position=schemas.POSITION
        ),
        filters=("account",),
    ),
    Route(
        "GET",
        f"{TENANT}/accounts/{{account}}",
        balances.get_account,
        scopes.BALANCES_READ,
        summary="Get an account with its balances.",
        shows={"allOf": [ref("AccountShown"), schemas.record({"position": schemas.POSITION})]},
    ),
    Route(
        "GET",
        f"{TENANT}/accounts/{{account}}/statement",
        books.get_account_statement,
        scopes.BALANCES_READ,
        summary="An account's statement with running balance (format=json or csv).",
        shows=schemas.STATEMENT,
        filters=("currency", "from", "to", "format"),
    ),
    Route(
        "GET",
        f"{TENANT}/entries",
        entries.list_entries,
        scopes.ENTRIES_READ,
        summary="List ledger entries with their postings, newest first.",
        shows=paged(ref("EntryShown")),
        filters=("account", "event_type", "status", "from", "to"),
        paged=True,
    ),
    Route(
        "GET",
        f"{TENANT}/entries/{{event_id}}",
        entries.get_entries_of_event,
        scopes.ENTRIES_READ,
        summary="Get the entries of one event.",
        shows=schemas.listed(ref("EntryShown")),
    ),
    Route(
        "GET",
        f"{TENANT}/events/{{event_id}}",
        events.get_event,
        scopes.EVENTS_READ,
        summary="Get the life story of one event.",
        shows=schemas.LIFE,
    ),
    Route(
        "POST",
        f"{TENANT}/events:batch",
        events.post_events,
        scopes.EVENTS_WRITE,
        summary="Hand in events, one JSON envelope a line.",
        shows=schemas.listed(schemas.LINE),
        media_type="application/x-ndjson",
    ),
)

_OPEN: tuple[Route, ...] = (
    Route(
        "GET",
        "/healthz",
        ops.healthz,
        None,
        summary="Whether the process answers.",
        shows=schemas.ANY,
    ),
    Route(
        "GET",
        "/readyz",
        ops.readyz,
        None,
        summary="Whether its partitions serve.",
        shows=schemas.ANY,
    ),
    Route("GET", "/metrics", ops.metrics, None, summary="Metrics for Prometheus."),
    Route(
        "GET",
        "/.well-known/jwks.json",
        ops.key_set,
        None,
        summary="Public keys of the local issuer.",
        shows=schemas.ANY,
    ),
    Route("GET", "/openapi.json", specs.openapi, None, summary="This API, as OpenAPI 3.1."),
    Route("GET", "/asyncapi.json", specs.asyncapi, None, summary="The events, as AsyncAPI 3.0."),
    Route("GET", "/docs", specs.docs, None, summary="Both, to read."),
    Route("GET", "/docs/errors", specs.errors, None, summary="What each code of an error means."),
)

ROUTES = (
    *_PAYMENTS,
    *_INVOICES,
    *_SPENDING,
    *_PAYOUTS,
    *_BOOKS,
    *_LEDGER,
    *ACCESS,
    *_OPEN,
)

"""How lines of the route table are written: a command, a resource with its list."""

from collections.abc import Mapping

import agents.services  # noqa: F401  fills the registry, which has the bodies of commands
from agents.registry import HANDLED
from tables.accounts import AccountRule
from tables.balances import Hold
from tables.budgets import Budget
from tables.invoices import Invoice
from tables.journals import Conversion, Journal
from tables.payables import Bill, Expense
from tables.payments import Case, Dispute, GatewayCall, Payment, Refund
from tables.payouts import Payout
from tables.row import Row
from tables.statements import StatementLine
from tables.subscriptions import Plan, Subscription
from tables.tax_documents import TaxBranch, TaxCertificate, TaxDocument, TaxReturn
from tables.tenants import Threshold
from web.answers import ADVANCED, CLOSED, JOURNAL_BALANCES, TENANT_SETTINGS
from web.api.resources import FILTERS, getting, listing
from web.bodies import body_of
from web.call import Route
from web.commands import commanding
from web.schemas import Schema, component_of, paged, record, ref

API = "/api/v1"
TENANT = f"{API}/{{tenant}}"


_SHOWS: Mapping[str, type[Row]] = {
    "payment_intent": Payment,
    "payment": Payment,
    "payment.refund": Refund,
    "refund": Refund,
    "call": GatewayCall,
    "dispute": Dispute,
    "case": Case,
    "invoice": Invoice,
    "bill": Bill,
    "expense": Expense,
    "budget": Budget,
    "payout": Payout,
    "plan": Plan,
    "subscription": Subscription,
    "journal.reverse": Journal,
    "journal.reject": Journal,
    "conversion": Conversion,
    "line": StatementLine,
    "tax_document": TaxDocument,
    "tax_branch": TaxBranch,
    "tax_return": TaxReturn,
    "tax_certificate": TaxCertificate,
    "threshold": Threshold,
    "account": AccountRule,
    "hold": Hold,
}
_JOURNAL_POSTED: Schema = {"allOf": [ref("Journal"), record({"balances": JOURNAL_BALANCES})]}
_SAYS: Mapping[str, Schema] = {
    "journal.post": _JOURNAL_POSTED,
    "journal.approve": _JOURNAL_POSTED,
    "journal.batch": record(
        {"journals": {"type": "array", "items": ref("Journal")}, "balances": JOURNAL_BALANCES}
    ),
    "period.close": CLOSED,
    "settings.change": TENANT_SETTINGS,
    "clock.advance": ADVANCED,
}


def answer_of(command: str) -> Schema:
    """The schema of what a command answers, by its name or the first word of it."""
    if command in _SAYS:
        return _SAYS[command]
    kind = _SHOWS.get(command) or _SHOWS[command.partition(".")[0]]
    return ref(component_of(kind))


def act(path: str, command: str, scope: str, summary: str, *, within: str = TENANT) -> Route:
    """POST of a command; its body is the command's own members but those in the path."""
    event_type = f"treasury.command.{command}"
    model = HANDLED[event_type].model
    named = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return Route(
        "POST",
        within + path,
        commanding(event_type),
        scope,
        model=body_of(model, *named),
        idempotent=True,
        summary=summary,
        shows=answer_of(command),
    )


def resource(path: str, kind: type[Row], member: str, scope: str, *filters: str) -> list[Route]:
    """GET of the list of a kind, and of one of it."""
    name = path.rpartition("/")[2].replace("-", " ")
    return [
        collection(path, kind, scope, *filters),
        Route(
            "GET",
            f"{TENANT}{path}/{{{member}}}",
            getting(kind, member),
            scope,
            summary=f"Get one of the {name}.",
            shows=ref(component_of(kind)),
        ),
    ]


def collection(
    path: str, kind: type[Row], scope: str, *filters: str, within: str = TENANT
) -> Route:
    """GET of the list of a kind."""
    name = path.rpartition("/")[2].replace("-", " ")
    return Route(
        "GET",
        within + path,
        listing(kind),
        scope,
        summary=f"List {name}, newest first.",
        filters=(*FILTERS, *filters),
        paged=True,
        shows=paged(ref(component_of(kind))),
    )

"""Examples of answers for the specification, made of the schemas that answers are held to.

What a member is called says what stands in it: rows are those of somebody who has just begun, of
whom nothing is paid, refunded or approved yet. A row's status is one that its kind can have.
"""

from collections.abc import Mapping
from typing import Any

from web.call import Route
from web.schemas import Schema

_TEXTS: Mapping[str, str] = {
    "account": "receivable",
    "action": "settings.change",
    "actor": "user-1",
    "actor_name": "Ann",
    "branch": "00",
    "capture_method": "automatic",
    "category": "fuel",
    "country": "KE",
    "credentials": "tenant",
    "currency": "KES",
    "cut_off": "00:00",
    "event_type": "cafe.order.created",
    "expected_date": "2026-02-01",
    "due_date": "2026-02-14",
    "from_account": "bank:kcb",
    "from_currency": "KES",
    "gateway": "mpesa",
    "ingress": "nats",
    "issued_date": "2026-01-31",
    "key": "trs_test_…",
    "method": "mpesa",
    "capabilitie": "collect",
    "description": "Lunch",
    "file": "statement.csv",
    "id": "line-1",
    "mpesa": "mpesa",
    "name": "Lunch club",
    "number": "2026/17",
    "operation": "collect",
    "payer": "+254712345678",
    "phone": "+254712345678",
    "order": "order-1",
    "outcome": "applied",
    "period": "2026-W05",
    "provider": "mpesa",
    "provider_reference": "TLD0000001",
    "quantity": "1",
    "reference": "order-1",
    "resource": "settings",
    "rule": "reference",
    "scope": "payments:write",
    "secret": "whsec_…",
    "source": "cafe",
    "target": "earnings",
    "taxe": "tourism_levy",
    "treatment": "standard",
    "till": "7",
    "time_zone": "Africa/Nairobi",
    "to_account": "bank:usd",
    "to_currency": "USD",
    "url": "https://example.com/hooks",
}
_MAPS: Mapping[str, str] = {
    "metadata": "till",
    "dimensions": "order",
    "gateways": "mpesa",
    "etims": "*",
    "gross": "standard",
    "taxes": "standard",
    "boxes": "output_tax",
    "reckoned": "output_tax",
}
"""The one member of an object whose members have any name; of others there is none."""
_STATUSES: Mapping[str, str] = {
    "BankItem": "open",
    "Bill": "open",
    "Case": "open",
    "Conversion": "quoted",
    "Dispute": "opened",
    "Expense": "approved",
    "GatewayCall": "requested",
    "Hold": "held",
    "Invoice": "open",
    "Journal": "posted",
    "Payment": "requires_action",
    "Payout": "submitted",
    "Refund": "submitted",
    "Settlement": "expected",
    "SettlementProof": "requested",
    "Statement": "read",
    "StatementLine": "matched",
    "Subscription": "active",
    "TaxDocument": "submitted",
    "TaxReturn": "open",
}
"""Of rows, by component; a test holds each to what its kind can be."""
_DAY, _MOMENT, _MOMENT_MS = "2026-01-31", "2026-01-31T08:00:00.000Z", 1_769_846_400_000
_DAYS = frozenset(
    {"day", "from_day", "to_day", "settled_day", "value_day", "spent_day", "issued_day"}
)
_AMOUNTS: Mapping[str, str] = {
    **dict.fromkeys(("amount", "outstanding", "balance", "debits", "debit", "gross"), "1500.00"),
    "total": "1500.00",
    **dict.fromkeys(("available", "closing", "current", "price", "to_amount"), "1500.00"),
    **dict.fromkeys(("receivable", "not_due", "remaining", "sold", "quoted", "owed"), "1500.00"),
    **dict.fromkeys(("expense_limit", "payout_limit", "refund_limit"), "50000.00"),
    "journal_limit": "1000000.00",
    "net": "1293.10",
    "tax": "206.90",
}
"""Minor units are those of shillings; every other amount is 0.00."""
_NUMBERS: Mapping[str, int] = {
    **dict.fromkeys(("version", "attempt", "attempts", "line", "step"), 1),
    "seq": 7,
    "status": 503,
    "duration_ms": 84,
    "payment_terms_days": 14,
    "dunning_day": 3,
}
_NULL = frozenset(
    {"next_cursor", "previous_until", "revoked_at", "delivered_at", "redrive_status", "trouble"}
)
_LATER = frozenset(
    {
        *("settlement_id", "call_id", "outlet_id", "project_id", "statement_id", "case_id"),
        *("approved_by", "accepted_by", "reversed_by", "calculated_by"),
    }
)
"""What is empty until something has happened, but where it is the name of the row itself."""
_PLACED = {"subject": "invoice-1", "kind": "invoice", "amount": "1500.00"}
_ROWS: Mapping[str, Mapping[str, Any]] = {
    "Journal": {
        "legs": [
            {"account": account, "side": side, "amount": "5000.00", "currency": "KES", "item": ""}
            | {"dimensions": {}}
            for account, side in (("bank:kcb", "debit"), ("opening", "credit"))
        ],
        "description": "opening balance",
    },
    "Payment": {
        **dict.fromkeys(("method", "provider", "provider_reference", "account", "phone"), ""),
        "attempt": 0,
        "placements": [],
        "quoted": "0.00",
    },
    "Refund": {"provider_reference": "", "taken": [_PLACED]},
    "Payout": {"provider_reference": "", "owed": "earnings:rider-1", "destination": ""},
    "GatewayCall": {"provider_reference": ""},
}
"""Where members must agree, or a name says another thing than elsewhere."""


_POSTED = [
    {"account": "receivable", "side": "debit", "amount": "1500.00", "currency": "KES"},
    {"account": "revenue:cafe", "side": "credit", "amount": "1293.10", "currency": "KES"},
    {"account": "tax:output", "side": "credit", "amount": "206.90", "currency": "KES"},
]
_TRIAL_BALANCE = [
    {"account": account, "currency": "KES", "normal_side": side, "debit": debit, "credit": credit}
    for account, side, debit, credit in (
        ("receivable", "debit", "1500.00", "0.00"),
        ("revenue:cafe", "credit", "0.00", "1293.10"),
        ("tax:output", "credit", "0.00", "206.90"),
    )
]
_EVENT = {
    "event_id": "event-1",
    "event_type": "cafe.order.created",
    "tenant_id": "demo-cafe",
    "timestamp": "2026-01-31T08:00:00Z",
    "data": {"order_id": "order-1", "total_amount": "1500.00"},
}
_OF_RESOURCES: Mapping[str, Mapping[str, Any]] = {
    "api-keys": {"name": "point of sale"},
    "configuration": {"name": "tax", "value": {"pin": "P051234567Z"}},
    "dead-letters": {"reason": "amount_not_positive", "envelope": _EVENT},
    "events": {
        "envelope": _EVENT,
        "received": [{"ingress": "nats", "position": {"log": 1, "offset": 7, "index": 0}}],
        "decided": [{"status": "applied", "reason": "", "decided_at": _MOMENT, "seq": 7}],
        "posted": _POSTED,
        "called": [],
        "emitted": [
            {"event_id": "event-2", "event_type": "treasury.invoice.created", "published": True}
        ],
        "delivered": [{"event_id": "event-2", "endpoint_id": "endpoint-1", "state": "delivered"}],
        "dead_lettered": [],
    },
    "events:batch": {"status": "applied"},
    "secrets": {"name": "instant.api_key"},
    "trial-balance": {
        "data": _TRIAL_BALANCE,
        "totals": [{"currency": "KES", "debit": "1500.00", "credit": "1500.00", "ties": True}],
    },
    "webhook-endpoints": {"event_types": ["treasury.invoice.paid"]},
}
"""What is said of some resources, by the word that names them in a path."""


def answer_example(route: Route, components: Mapping[str, Schema]) -> Any:
    """An answer that the route's own schema takes."""
    assert route.shows is not None
    found = _example(dict(route.shows), components, name="", of="")
    words = route.path.removeprefix("/api/v1/").removeprefix("{tenant}/")
    said = _OF_RESOURCES.get(words.removeprefix("platform/").partition("/")[0], {})
    rows = found["data"] if isinstance(found.get("data"), list) else []
    for each in (found, *rows):
        each |= {member: value for member, value in said.items() if member in each}
    return found


def _example(schema: Schema, components: Mapping[str, Schema], *, name: str, of: str) -> Any:
    """`name` is the member it stands in, `of` the component that has the member."""
    if "$ref" in schema:
        component = schema["$ref"].rpartition("/")[2]
        return _example(components[component], components, name=name, of=component)
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], components, name=name, of=of)
    if "allOf" in schema:
        parts = (_example(each, components, name=name, of=of) for each in schema["allOf"])
        return {member: value for part in parts for member, value in part.items()}
    if "enum" in schema:
        return schema["enum"][0]
    return schema["const"] if "const" in schema else _typed(schema, components, name=name, of=of)


def _typed(schema: Schema, components: Mapping[str, Schema], *, name: str, of: str) -> Any:
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    if name in _NULL or kind == "null":
        return None
    if kind == "object":
        return _object(schema, components, name=name, of=of)
    if kind == "array":
        return [_example(schema["items"], components, name=name.removesuffix("s"), of=of)]
    if kind == "integer":
        return _NUMBERS.get(name, _MOMENT_MS if name.endswith("_ms") else 0)
    return _text(schema, name, of) if kind == "string" else False


def _object(schema: Schema, components: Mapping[str, Schema], *, name: str, of: str) -> Any:
    members: dict[str, Any] = {}
    for member, each in schema.get("properties", {}).items():
        is_empty = member in _LATER and bool(members)
        is_money = of == "Money" and member == "amount"
        called = name if is_money else member  # an amount is of what it stands in
        members[member] = "" if is_empty else _example(each, components, name=called, of=of)
    members |= {k: v for k, v in _ROWS.get(of, {}).items() if k in members}
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        member = _MAPS.get(name, "")
        if member:
            members[member] = _example(others, components, name=member, of=of)
    return members


def _text(schema: Schema, name: str, of: str) -> str:
    if of == "Amount":
        return _AMOUNTS.get(name, "0.00")
    if schema.get("format") in {"date", "date-time"} or name in _DAYS:
        return _MOMENT if schema.get("format") == "date-time" else _DAY
    if name == "status" and of in _STATUSES:
        return _STATUSES[of]
    if name.endswith("_id"):
        return f"{name.removesuffix('_id').replace('_', '-')}-1"
    return "user-1" if name.endswith("_by") else _TEXTS.get(name, "")


def row_statuses() -> Mapping[str, str]:
    """The status of each kind of row in its example."""
    return _STATUSES

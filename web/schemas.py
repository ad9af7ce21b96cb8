"""JSON Schemas of what is answered: rows by their types, everything else written down here.

Rows follow agents/shown.py: amounts are decimal text of the row's currency.
"""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from agents.shown import AMOUNTS, COMPUTED, HIDDEN, NAMES, QUANTITIES, TOTALS
from tables.balances import Hold
from tables.budgets import Budget
from tables.journals import Conversion, Leg
from tables.postgres.parties import AMOUNTS as PARTY_AMOUNTS
from tables.row import Row
from web.call import Route

Schema = dict[str, Any]

AMOUNT: Schema = {
    "type": "string",
    "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$",
    "description": "Decimal text with all decimals of its currency.",
    "examples": ["1500.00"],
}
_STRING, _INTEGER, _BOOLEAN = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
_MOMENT = {"type": "string", "format": "date-time"}


def ref(name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    """An object that has these members, and perhaps those."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
    }


def listed(item: Schema, **more: Schema) -> Schema:
    """A list in `data`, with what may stand beside it."""
    return record({"data": {"type": "array", "items": item}}, **more)


def paged(item: Schema) -> Schema:
    """A page of a list."""
    cursor: Schema = {"type": ["string", "null"]}
    rows: Schema = {"type": "array", "items": item}
    return record({"data": rows, "has_more": _BOOLEAN, "next_cursor": cursor})


def of_row(kind: type[msgspec.Struct]) -> Schema:
    """What `agents.shown.shown` makes of a row, or of a part of one."""
    hints = get_type_hints(kind)
    shown = [name for name in kind.__struct_fields__ if name not in HIDDEN]
    members = {NAMES.get(name, name): _member(kind, name, hints[name]) for name in shown}
    if kind in TOTALS:
        members["amount"] = members.pop("total")
    computed = _ALWAYS_TEXT.get(kind, "").split()
    if issubclass(kind, Row):
        computed += COMPUTED.get(kind, "").split()
    members |= {name: ref("Amount") for name in computed}
    if kind is Budget:  # without an amount it only counts
        members |= {name: {"anyOf": [ref("Amount"), _NULL]} for name in ("amount", "remaining")}
    return record(members)


def _member(kind: type[msgspec.Struct], name: str, hint: Any) -> Schema:
    if name in AMOUNTS[kind].split():
        return _or_null(ref("Amount"), hint)
    if name in QUANTITIES.get(kind, "").split():
        return _STRING
    if name == "levies":
        return {"type": "object", "additionalProperties": ref("Amount")}
    return _of_type(hint)


_ALWAYS_TEXT: Mapping[type[msgspec.Struct], str] = {
    Conversion: "sold quoted bought",
    Hold: "amount",
}
_NULL: Schema = {"type": "null"}


def _or_null(schema: Schema, hint: Any) -> Schema:
    return {"anyOf": [schema, _NULL]} if NoneType in get_args(hint) else schema


def _of_type(hint: Any) -> Schema:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        [kept] = [argument for argument in arguments if argument is not NoneType]
        return _or_null(_of_type(kept), hint)
    if origin in {list, tuple}:
        return {"type": "array", "items": _of_type(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of_type(arguments[1])}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _of_part(hint)
    return {str: _STRING, int: _INTEGER, bool: _BOOLEAN}[hint]


def _of_part(kind: type[msgspec.Struct]) -> Schema:
    if kind is Leg:
        return ref("Leg")
    return of_row(kind) if kind in AMOUNTS else {"type": "object"}


MONEY = record({"amount": ref("Amount"), "currency": _STRING})
SIDE: Schema = {"enum": ["debit", "credit"]}
BALANCE = record(
    {
        "account": _STRING,
        "currency": _STRING,
        "normal_side": SIDE,
        "debits": ref("Money"),
        "credits": ref("Money"),
        "balance": ref("Money"),
    },
    pending_debits=ref("Money"),
    pending_credits=ref("Money"),
    available=ref("Money"),
    version=_INTEGER,
)
ACCOUNT = record(
    {
        "account": _STRING,
        "normal_side": SIDE,
        "balances": {"type": "array", "items": ref("BalanceShown")},
    }
)
POSITION = record({"partition": _INTEGER, "seq": _INTEGER})
_DAY_OR_NULL: Schema = {"type": ["string", "null"], "format": "date"}
_WITH_POSITION = {"has_more": _BOOLEAN, "position": POSITION}
BALANCES = listed(ref("BalanceShown"), **_WITH_POSITION, at=_MOMENT)
ACCOUNTS = listed(ref("AccountShown"), **_WITH_POSITION)
ANY: Schema = {"type": "object"}
POSTING = record(
    {
        "account": _STRING,
        "side": SIDE,
        "amount": ref("Amount"),
        "currency": _STRING,
        "dimensions": {"type": "object"},
        "booked_on": _DAY_OR_NULL,
        "effective_on": _DAY_OR_NULL,
    }
)
ENTRY = record(
    {
        "partition": _INTEGER,
        "seq": _INTEGER,
        "ordinal": _INTEGER,
        "position": {"type": "object"},
        "event_id": _STRING,
        "event_type": _STRING,
        "ingress": _STRING,
        "status": {"enum": ["applied", "duplicate", "rejected", "refused", "parked", "misrouted"]},
        "reason": _STRING,
        "decided_at": _MOMENT,
        "postings": {"type": "array", "items": ref("PostingShown")},
    }
)
LEG = record(
    {
        "account": _STRING,
        "side": SIDE,
        "amount": ref("Amount"),
        "currency": _STRING,
        "item": _STRING,
        "dimensions": {"type": "object"},
    }
)
_OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
LIFE = record(
    {
        "event_id": _STRING,
        "event_type": _STRING,
        "envelope": {"type": ["object", "null"]},
        **dict.fromkeys(("received", "decided", "posted", "called", "emitted"), _OBJECTS),
        "dead_lettered": _OBJECTS,
    }
)
LINE = record({"line": _INTEGER, "event_id": _STRING, "status": _STRING, "reason": _STRING})
CLOCK = record(
    {"now": _MOMENT, "sandbox": _BOOLEAN, "time_zone": _STRING, "closed_through": _STRING}
)
ADVANCED = record({"now": _MOMENT, "to": _MOMENT})
CLOSED = record({"closed_through": _STRING, "version": _INTEGER})
TRIAL_BALANCE = listed(
    record(
        {
            "account": _STRING,
            "currency": _STRING,
            "normal_side": SIDE,
            "debit": ref("Amount"),
            "credit": ref("Amount"),
        }
    ),
    totals={
        "type": "array",
        "items": record(
            {
                "currency": _STRING,
                "debit": ref("Amount"),
                "credit": ref("Amount"),
                "ties": _BOOLEAN,
            }
        ),
    },
    through=_DAY_OR_NULL,
)
STATEMENT = record(
    {
        "account": _STRING,
        "currency": _STRING,
        "normal_side": SIDE,
        "opening": ref("Amount"),
        "closing": ref("Amount"),
        "data": {
            "type": "array",
            "items": record(
                {
                    "booked_on": {"type": "string", "format": "date"},
                    "effective_on": {"type": "string", "format": "date"},
                    "event_type": _STRING,
                    "event_id": _STRING,
                    "debit": ref("Amount"),
                    "credit": ref("Amount"),
                    "balance": ref("Amount"),
                    "dimensions": {"type": "object"},
                }
            ),
        },
    }
)
_PARTY_AMOUNTS: Mapping[str, Schema] = dict.fromkeys(PARTY_AMOUNTS, ref("Amount"))
PARTY_LINE = record({"party_id": _STRING, "currency": _STRING, **_PARTY_AMOUNTS})
PARTY = record(
    {
        "party_id": _STRING,
        "as_of": {"type": "string", "format": "date"},
        "data": {"type": "array", "items": PARTY_LINE},
    }
)
PAYEE = record(
    {
        "payee_id": _STRING,
        "periods": {"type": "array", "items": ref("Earnings")},
        "payouts": {"type": "array", "items": ref("Payout")},
        "balances": {
            "type": "array",
            "items": record({"currency": _STRING, "balance": ref("Amount")}),
        },
    }
)
_LIMIT: Schema = {"anyOf": [ref("Amount"), _NULL]}
TENANT_SETTINGS = record(
    {
        **dict.fromkeys(("tenant_id", "name", "country", "currency", "time_zone"), _STRING),
        "status": {"enum": ["active", "frozen", "suspended"]},
        "mode": {"enum": ["live", "sandbox"]},
        "closed_through": _STRING,
        "version": _INTEGER,
        "settings": record(
            {
                "tax_registered": _BOOLEAN,
                "payment_terms_days": _INTEGER,
                "taxes": {"type": "array", "items": _STRING},
                "dunning_days": {"type": "array", "items": _INTEGER},
                "payment_links": _BOOLEAN,
                **dict.fromkeys(
                    ("expense_limit", "payout_limit", "refund_limit", "journal_limit"), _LIMIT
                ),
                "tolerance_amount": _LIMIT,
                "tolerance_percent": ref("Amount"),
                "service_charge_percent": ref("Amount"),
                "cut_off": _STRING,
            }
        ),
    }
)
CONFIGURED = record(
    {"name": _STRING, "state": {"enum": ["set", "unset"]}},
    value={"type": "object"},
    version=_INTEGER,
    written_at=_MOMENT,
    written_by=_STRING,
)
PROBLEM = record(
    {
        "type": {"type": "string", "format": "uri-reference"},
        "title": _STRING,
        "status": _INTEGER,
        "detail": _STRING,
        "code": _STRING,
        "request_id": _STRING,
    },
    errors={
        "type": "array",
        "items": record({"pointer": _STRING, "detail": _STRING}),
    },
)
_MOMENT_OR_NULL: Schema = {"type": ["string", "null"], "format": "date-time"}
SECRET = record(
    {"name": _STRING, "state": {"enum": ["set", "unset"]}},
    value={"const": "********"},
    version=_INTEGER,
    fingerprint=_STRING,
    written_at=_MOMENT,
    written_by=_STRING,
    keyed_at=_MOMENT,
)
_API_KEY: Mapping[str, Schema] = {
    "key_id": _STRING,
    "name": _STRING,
    "mode": {"enum": ["live", "test"]},
    "scopes": {"type": "array", "items": _STRING},
    "created_at": _MOMENT,
    "created_by": _STRING,
    "rotated_at": _MOMENT,
    **dict.fromkeys(("previous_until", "expires_at", "revoked_at"), _MOMENT_OR_NULL),
}
API_KEY = record(_API_KEY)
NEW_API_KEY = record({**_API_KEY, "key": _STRING})
_ENDPOINT: Mapping[str, Schema] = {
    **dict.fromkeys(("endpoint_id", "url", "description", "disabled_reason"), _STRING),
    "event_types": {"type": "array", "items": _STRING},
    "status": {"enum": ["enabled", "disabled", "deleted"]},
    "previous_until": _MOMENT_OR_NULL,
    "created_at": _MOMENT,
    "created_by": _STRING,
    "updated_at": _MOMENT,
}
ENDPOINT = record(_ENDPOINT)
NEW_ENDPOINT = record({**_ENDPOINT, "secret": _STRING})
DELIVERY = record(
    {
        "event_id": _STRING,
        "event_type": _STRING,
        "state": {"enum": ["pending", "delivered", "failed"]},
        "attempts": _INTEGER,
        "created_at": _MOMENT,
        "next_at": _MOMENT_OR_NULL,
        "delivered_at": _MOMENT_OR_NULL,
        "history": {
            "type": "array",
            "items": record(
                {"at": _MOMENT, "status": _INTEGER, "error": _STRING, "duration_ms": _INTEGER}
            ),
        },
    }
)
TESTED = record({"event_id": _STRING})
REPLAYED = record({"replayed": _INTEGER})
AUDIT_LINE = record(
    {
        **dict.fromkeys(("id", "actor", "actor_name", "action", "resource"), _STRING),
        "at": _MOMENT,
        "outcome": _STRING,
        "request_id": _STRING,
        "detail": {"type": "object"},
    }
)
JOURNAL_BALANCES: Schema = {
    "type": "array",
    "items": record(
        {
            "account": _STRING,
            "currency": _STRING,
            "normal_side": SIDE,
            "balance": ref("Amount"),
            "version": _INTEGER,
        }
    ),
}

COMMON: Mapping[str, Schema] = {
    "Amount": AMOUNT,
    "Money": MONEY,
    "BalanceShown": BALANCE,
    "AccountShown": ACCOUNT,
    "PostingShown": POSTING,
    "EntryShown": ENTRY,
    "Leg": LEG,
    "Problem": PROBLEM,
}
"""Components that are not rows."""


def columns_of(route: Route) -> list[str]:
    """The members of the rows that a list shows, in their order."""
    assert route.shows is not None
    row = route.shows["properties"]["data"]["items"]
    row = row.get("anyOf", [row])[0]
    if "$ref" in row:
        name = row["$ref"].rpartition("/")[2]
        rows = {component_of(kind): kind for kind in AMOUNTS}
        row = COMMON[name] if name in COMMON else of_row(rows[name])
    return list(row["properties"])


def component_of(kind: type[msgspec.Struct]) -> str:
    """The name under which a kind of row is a component."""
    return kind.__name__

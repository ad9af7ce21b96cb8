"""JSON Schemas of what is answered beside rows: balances, books, keys, endpoints, problems."""

from collections.abc import Mapping

from agents.shown import AMOUNTS
from tables.postgres.parties import AMOUNTS as PARTY_AMOUNTS
from web.call import Route
from web.schemas import (
    AMOUNT,
    BOOLEAN,
    INTEGER,
    MOMENT,
    NULL,
    STRING,
    Schema,
    component_of,
    listed,
    of_row,
    record,
    ref,
)

MONEY = record({"amount": ref("Amount"), "currency": STRING})
SIDE: Schema = {"enum": ["debit", "credit"]}
BALANCE = record(
    {
        "account": STRING,
        "currency": STRING,
        "normal_side": SIDE,
        "debits": ref("Money"),
        "credits": ref("Money"),
        "balance": ref("Money"),
    },
    pending_debits=ref("Money"),
    pending_credits=ref("Money"),
    available=ref("Money"),
    version=INTEGER,
)
ACCOUNT = record(
    {
        "account": STRING,
        "normal_side": SIDE,
        "balances": {"type": "array", "items": ref("BalanceShown")},
    }
)
POSITION = record({"partition": INTEGER, "seq": INTEGER})
_DAY: Schema = {"type": "string", "format": "date"}
_DAY_OR_NULL: Schema = {"type": ["string", "null"], "format": "date"}
_WITH_POSITION = {"has_more": BOOLEAN, "position": POSITION}
BALANCES = listed(ref("BalanceShown"), **_WITH_POSITION, at=MOMENT)
ACCOUNTS = listed(ref("AccountShown"), **_WITH_POSITION)
ANY: Schema = {"type": "object"}
POSTING = record(
    {
        "account": STRING,
        "side": SIDE,
        "amount": ref("Amount"),
        "currency": STRING,
        "dimensions": {"type": "object"},
        "booked_on": _DAY_OR_NULL,
        "effective_on": _DAY_OR_NULL,
    }
)
ENTRY = record(
    {
        "partition": INTEGER,
        "seq": INTEGER,
        "ordinal": INTEGER,
        "position": {"type": "object"},
        "event_id": STRING,
        "event_type": STRING,
        "ingress": STRING,
        "status": {"enum": ["applied", "duplicate", "rejected", "refused", "parked", "misrouted"]},
        "reason": STRING,
        "decided_at": MOMENT,
        "postings": {"type": "array", "items": ref("PostingShown")},
    }
)
LEG = record(
    {
        "account": STRING,
        "side": SIDE,
        "amount": ref("Amount"),
        "currency": STRING,
        "item": STRING,
        "dimensions": {"type": "object"},
    }
)
_OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
LIFE = record(
    {
        "event_id": STRING,
        "event_type": STRING,
        "envelope": {"type": ["object", "null"]},
        **dict.fromkeys(("received", "decided", "posted", "called", "emitted"), _OBJECTS),
        **dict.fromkeys(("delivered", "dead_lettered"), _OBJECTS),
    }
)
_LETTER: Mapping[str, Schema] = {
    **dict.fromkeys(("letter_id", "event_id", "event_type", "reason", "ingress"), STRING),
    "received_at": MOMENT,
    "redrive_attempts": INTEGER,
    "redrive_status": {"type": ["string", "null"]},
}
LETTER = record(_LETTER)
WHOLE_LETTER = record({**_LETTER, "envelope": {"type": ["object", "null"]}})
REDRIVEN = record({"letter_id": STRING, "redrive_id": STRING, "attempt": INTEGER})
LINE = record({"line": INTEGER, "event_id": STRING, "status": STRING, "reason": STRING})
_COUNTS = record(dict.fromkeys(("succeeded", "failed", "unknown", "open"), INTEGER))
_NAMES: Schema = {"type": "array", "items": STRING}
CONNECTORS = record(
    {
        "data": {
            "type": "array",
            "items": record(
                {
                    "provider": STRING,
                    "methods": _NAMES,
                    "capabilities": _NAMES,
                    "state": {"enum": ["usable", "not_configured", "not_here"]},
                    "reason": STRING,
                    "operations": _NAMES,
                    "actions": _NAMES,
                    "credentials": STRING,
                    "breaker": {"enum": ["closed", "open", "half_open", None]},
                    "trouble": {"type": ["integer", "null"]},
                    "callback_url": STRING,
                    "last_day": _COUNTS,
                }
            ),
        },
        "services": record({"callback_url": STRING}),
    }
)
CLOCK = record({"now": MOMENT, "sandbox": BOOLEAN, "time_zone": STRING, "closed_through": STRING})
SUGGESTION = record(
    {
        "kind": {"enum": ["invoice", "bill", "expense", "settlement", "item"]},
        "id": STRING,
        "party": STRING,
        "amount": ref("Amount"),
        "currency": STRING,
        "day": _DAY,
        "because": {"type": "array", "items": STRING},
    }
)
SETTLEMENT_ITEM = record(
    {
        "kind": {"enum": ["payment", "payout", "refund"]},
        "id": STRING,
        "settlement_id": STRING,
        "provider": STRING,
        "tenant_id": STRING,
        "currency": STRING,
        "amount": ref("Amount"),
        "provider_reference": STRING,
    },
    order_id=STRING,
    invoice_id=STRING,
    payment_id=STRING,
)
STATEMENT_GAP = record(
    {
        "account": STRING,
        "currency": STRING,
        "before_id": STRING,
        "to_day": _DAY,
        "closing": ref("Amount"),
        "after_id": STRING,
        "from_day": _DAY,
        "opening": ref("Amount"),
        "amount": ref("Amount"),
    }
)
VAT_RETURN: Schema = {
    "allOf": [
        ref("TaxReturn"),
        record({"reckoned": {"type": "object", "additionalProperties": ref("Amount")}}),
    ]
}
ADVANCED = record({"now": MOMENT, "to": MOMENT})
CLOSED = record({"closed_through": STRING, "version": INTEGER})
TRIAL_BALANCE = listed(
    record(
        {
            "account": STRING,
            "currency": STRING,
            "normal_side": SIDE,
            "debit": ref("Amount"),
            "credit": ref("Amount"),
        }
    ),
    totals={
        "type": "array",
        "items": record(
            {
                "currency": STRING,
                "debit": ref("Amount"),
                "credit": ref("Amount"),
                "ties": BOOLEAN,
            }
        ),
    },
    through=_DAY_OR_NULL,
)
STATEMENT = record(
    {
        "account": STRING,
        "currency": STRING,
        "normal_side": SIDE,
        "opening": ref("Amount"),
        "closing": ref("Amount"),
        "data": {
            "type": "array",
            "items": record(
                {
                    "booked_on": _DAY,
                    "effective_on": _DAY,
                    "event_type": STRING,
                    "event_id": STRING,
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
PARTY_LINE = record({"party_id": STRING, "currency": STRING, **_PARTY_AMOUNTS})
PARTY = record(
    {
        "party_id": STRING,
        "as_of": _DAY,
        "data": {"type": "array", "items": PARTY_LINE},
    }
)
PAYEE = record(
    {
        "payee_id": STRING,
        "periods": {"type": "array", "items": ref("Earnings")},
        "payouts": {"type": "array", "items": ref("Payout")},
        "balances": {
            "type": "array",
            "items": record({"currency": STRING, "balance": ref("Amount")}),
        },
    }
)
_LIMIT: Schema = {"anyOf": [ref("Amount"), NULL]}
TENANT_SETTINGS = record(
    {
        **dict.fromkeys(("tenant_id", "name", "country", "currency", "time_zone"), STRING),
        "status": {"enum": ["active", "frozen", "suspended"]},
        "mode": {"enum": ["live", "sandbox"]},
        "closed_through": STRING,
        "version": INTEGER,
        "settings": record(
            {
                "tax_registered": BOOLEAN,
                "payment_terms_days": INTEGER,
                "taxes": {"type": "array", "items": STRING},
                "dunning_days": {"type": "array", "items": INTEGER},
                "payment_links": BOOLEAN,
                **dict.fromkeys(
                    ("expense_limit", "payout_limit", "refund_limit", "journal_limit"), _LIMIT
                ),
                "tolerance_amount": _LIMIT,
                "tolerance_percent": ref("Amount"),
                "service_charge_percent": ref("Amount"),
                "cut_off": STRING,
                "gateways": {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": STRING},
                },
                "etims": {"type": "object", "additionalProperties": STRING},
            }
        ),
    }
)
CONFIGURED = record(
    {"name": STRING, "state": {"enum": ["set", "unset"]}},
    value={"type": "object"},
    version=INTEGER,
    written_at=MOMENT,
    written_by=STRING,
)
PROBLEM = record(
    {
        "type": {"type": "string", "format": "uri-reference"},
        "title": STRING,
        "status": INTEGER,
        "detail": STRING,
        "code": STRING,
        "request_id": STRING,
    },
    errors={
        "type": "array",
        "items": record({"pointer": STRING, "detail": STRING}),
    },
)
_MOMENT_OR_NULL: Schema = {"type": ["string", "null"], "format": "date-time"}
SECRET = record(
    {"name": STRING, "state": {"enum": ["set", "unset"]}},
    value={"const": "********"},
    version=INTEGER,
    fingerprint=STRING,
    written_at=MOMENT,
    written_by=STRING,
    keyed_at=MOMENT,
)
_API_KEY: Mapping[str, Schema] = {
    "key_id": STRING,
    "name": STRING,
    "mode": {"enum": ["live", "test"]},
    "scopes": {"type": "array", "items": STRING},
    "created_at": MOMENT,
    "created_by": STRING,
    "rotated_at": MOMENT,
    **dict.fromkeys(("previous_until", "expires_at", "revoked_at"), _MOMENT_OR_NULL),
}
API_KEY = record(_API_KEY)
NEW_API_KEY = record({**_API_KEY, "key": STRING})
_ENDPOINT: Mapping[str, Schema] = {
    **dict.fromkeys(("endpoint_id", "url", "description", "disabled_reason"), STRING),
    "event_types": {"type": "array", "items": STRING},
    "status": {"enum": ["enabled", "disabled", "deleted"]},
    "previous_until": _MOMENT_OR_NULL,
    "created_at": MOMENT,
    "created_by": STRING,
    "updated_at": MOMENT,
}
ENDPOINT = record(_ENDPOINT)
NEW_ENDPOINT = record({**_ENDPOINT, "secret": STRING})
CONTACT = record(
    {
        **dict.fromkeys(("customer_id", "name", "email", "phone"), STRING),
        "channels": {"type": "array", "items": {"enum": ["email", "sms", "whatsapp"]}},
        "version": INTEGER,
        "written_at": MOMENT,
        "written_by": STRING,
    }
)
ERASED = record({"customer_id": STRING, "state": {"const": "erased"}})
MESSAGE = record(
    {
        **dict.fromkeys(("message_id", "event_id", "event_type"), STRING),
        "channel": {"enum": ["email", "sms", "whatsapp"]},
        **dict.fromkeys(("template", "reference_type", "reference_id", "customer_id"), STRING),
        "state": {"enum": ["pending", "accepted", "sent", "failed", "parked", "withdrawn"]},
        "reason": STRING,
        "attempts": INTEGER,
        "request_id": STRING,
        "created_at": MOMENT,
        **dict.fromkeys(("next_at", "reported_at"), _MOMENT_OR_NULL),
        "history": {
            "type": "array",
            "items": record(dict.fromkeys(("at", "outcome", "reason", "request_id"), STRING)),
        },
    }
)
DELIVERY = record(
    {
        "event_id": STRING,
        "event_type": STRING,
        "state": {"enum": ["pending", "delivered", "failed"]},
        "attempts": INTEGER,
        "created_at": MOMENT,
        "next_at": _MOMENT_OR_NULL,
        "delivered_at": _MOMENT_OR_NULL,
        "history": {
            "type": "array",
            "items": record(
                {"at": MOMENT, "status": INTEGER, "error": STRING, "duration_ms": INTEGER}
            ),
        },
    }
)
TESTED = record({"event_id": STRING})
REPLAYED = record({"replayed": INTEGER})
AUDIT_LINE = record(
    {
        **dict.fromkeys(("id", "actor", "actor_name", "action", "resource"), STRING),
        "at": MOMENT,
        "outcome": STRING,
        "request_id": STRING,
        "detail": {"type": "object"},
    }
)
JOURNAL_BALANCES: Schema = {
    "type": "array",
    "items": record(
        {
            "account": STRING,
            "currency": STRING,
            "normal_side": SIDE,
            "balance": ref("Amount"),
            "version": INTEGER,
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

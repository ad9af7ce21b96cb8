"""Examples for the specification: of every parameter, and of every command's body.

A body's example has what the command needs, by the names of its members; where a command means
something only with more, that is written down for it.
"""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from web.call import Route

_DAY = {"type": "string", "format": "date"}
_TIME = {"type": "string"}
PARAMETERS: Mapping[str, tuple[dict[str, Any], Any]] = {
    "tenant": ({"type": "string"}, "demo-cafe"),
    "account": ({"type": "string"}, "receivable"),
    "currency": ({"type": "string"}, "KES"),
    "limit": ({"type": "integer", "minimum": 1, "maximum": 100, "default": 25}, 25),
    "cursor": ({"type": "string"}, ""),
    "from": (_DAY, "2026-01-01"),
    "to": (_DAY, "2026-12-31"),
    "through": (_DAY, "2026-01-31"),
    "due_from": (_DAY, "2026-01-01"),
    "due_to": (_DAY, "2026-12-31"),
    "created_from": (_TIME, "2026-01-01"),
    "created_to": (_TIME, "2026-12-31T23:59:59Z"),
    "at": (_TIME, "2026-01-31T08:00:00Z"),
    "format": ({"enum": ["json", "csv"]}, "json"),
    "min_position": ({"type": "string", "pattern": r"^[0-9]+\.[0-9]+$"}, "0.0"),
    "type": ({"enum": ["sales", "supplier"]}, "sales"),
    "wait_s": ({"type": "integer", "minimum": 0, "maximum": 10}, 5),
    "period": ({"type": "string", "pattern": r"^20[0-9]{2}-[0-9]{2}$"}, "2026-03"),
    "branch": ({"type": "string"}, "00"),
    "status": ({"type": "string"}, "open"),
    "waiting": ({"enum": ["true"]}, "true"),
    "party": ({"type": "string"}, "customer-1"),
    "metadata": ({"type": "string", "pattern": "^[^:]+:"}, "till:7"),
    "event_type": ({"type": "string"}, "cafe.order.created"),
    "state": ({"type": "string"}, "parked"),
    "channel": ({"enum": ["email", "sms", "whatsapp"]}, "email"),
    "template": ({"type": "string"}, "invoice_created"),
    "message_id": ({"type": "string"}, "event-1.email"),
    "kind": ({"enum": ["camt", "mt940", "ofx", "csv"]}, "csv"),
    "day": ({"type": "string"}, "Date"),
    "value_day": ({"type": "string"}, "Value date"),
    "amount": ({"type": "string"}, "Amount"),
    "debit": ({"type": "string"}, "Paid out"),
    "credit": ({"type": "string"}, "Paid in"),
    "reference": ({"type": "string"}, "Reference"),
    "receipt": ({"type": "string"}, "Receipt"),
    "text": ({"type": "string"}, "Narration"),
    "balance": ({"type": "string"}, "Balance"),
    "bank_reference": ({"type": "string"}, "Transaction"),
    "day_format": ({"type": "string"}, "%Y-%m-%d"),
    "delimiter": ({"type": "string"}, ","),
    "decimal_mark": ({"type": "string"}, "."),
    "encoding": ({"type": "string"}, "utf-8"),
    "Idempotency-Key": ({"type": "string", "minLength": 1, "maxLength": 255}, "order-1-pay"),
}
"""Schema and example by name; any other is an id."""

BODIES: Mapping[str, str] = {
    "application/x-ndjson": '{"event_id": "e-1", "event_type": "cafe.order.created", "tenant_id":'
    ' "demo-cafe", "timestamp": "2026-01-31T08:00:00Z", "data": {"order_id": "o-1",'
    ' "total_amount": 1500.00}}\n',
    "application/octet-stream": "Date,Text,Amount\n2026-01-31,Ledger fee,-116.00\n",
    "application/x-www-form-urlencoded": "method=mpesa&phone=%2B254712345678",
    "*/*": '{"Body": {"stkCallback": {"ResultCode": 0}}}',
}
"""Bodies that are no JSON object, by their media type."""
_BALANCE = (
    '{"account": "receivable", "currency": "KES", "normal_side": "debit",'
    ' "debits": {"amount": "1500.00", "currency": "KES"},'
    ' "credits": {"amount": "0.00", "currency": "KES"},'
    ' "balance": {"amount": "1500.00", "currency": "KES"}}'
)
STREAM = (
    f"retry: 1000\n\nevent: balance\ndata: {_BALANCE}\n\n"
    'event: synced\ndata: {"position": {"partition": 0, "seq": 7}}\n\n'
)
"""The beginning of a stream of balances."""

_VALUES: Mapping[str, Any] = {
    "amount": "1500.00",
    "price": "2900.00",
    "unit_price": "45.50",
    "quantity": "3",
    "from_amount": "13000.00",
    "to_amount": "100.00",
    "from": "2026-01-01",
    "to": "2026-01-31",
    "from_currency": "KES",
    "to_currency": "USD",
    "from_account": "bank:kcb",
    "to_account": "bank:usd",
    "account": "bank:kcb",
    "method": "instant",
    "number": "INV-2026-017",
    "category": "fuel",
    "name": "Lunch club",
    "through": "2026-01-31",
    "target": "earnings",
    "outcome": "lost",
    "value": "sk-of-the-gateway",
    "destination": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "url": "https://example.com/hooks",
}
_BANK = {"account": "bank:kcb", "side": "debit", "amount": "5000.00"}
_OPENING = {"account": "opening", "side": "credit", "amount": "5000.00"}
_MORE: Mapping[str, Mapping[str, Any]] = {
    "CreateIntentBody": {"amount": "1500.00", "order_id": "order-1"},
    "CreateInvoiceBody": {"amount": "1500.00"},
    "CreateBillBody": {"tax_amount": "206.90", "category": "rent"},
    "PostJournalBody": {"legs": [_BANK, _OPENING], "description": "opening balance"},
    "PostBatchBody": {"journals": [{"legs": [_BANK, _OPENING]}]},
    "ResolveCallBody": {"outcome": "failed", "reason": "not on the statement"},
    "ResolveCaseBody": {"customer_id": "customer-1"},
    "ResolveLineBody": {"account": "fees:bank"},
    "AdvanceBody": {"days": 30},
    "RefundPaymentBody": {"amount": "500.00", "reason": "returned"},
    "CaptureHoldBody": {"to_account": "expense:rent"},
    "PutValueBody": {"value": {"pin": "P051234567Z"}},
    "FileReturnBody": {
        "tax": "turnover_tax",
        "period": "2026-03",
        "boxes": {"turnover": "90000.00", "payable": "2700.00"},
    },
    "SetNumberBody": {"number": 41},
    "NoteCertificateBody": {
        "kind": "withheld_vat",
        "number": "KRAWHT0012345",
        "issued_day": "2026-03-31",
        "amount": "200.00",
    },
    "ResolveBody": {"recorded": True},
    "ChangeSettingsBody": {"settings": {"payout_limit": "50000.00"}},
    "ContactBody": {"name": "Wanjiru Kamau", "email": "wanjiru@example.com"},
    "CreateApiKeyBody": {"name": "point of sale", "scopes": ["payments:write"]},
    "CreatePlanBody": {"meters": [{"name": "deliveries", "unit_price": "45.50"}]},
}


def example_of(route: Route) -> dict[str, Any]:
    """A body that the route takes."""
    assert route.model is not None
    model = route.model
    return {**_needed(model), **_MORE.get(model.__name__, {})}


def _needed(model: type[BaseModel]) -> dict[str, Any]:
    found = {}
    for name, member in model.model_fields.items():
        if member.is_required():
            told = member.alias or name
            found[told] = _value(told, member.annotation)
    return found


def _value(name: str, annotation: Any) -> Any:
    if get_origin(annotation) is list:
        [item] = get_args(annotation)
        return [_needed(item)] if isinstance(item, type) and issubclass(item, BaseModel) else []
    return _VALUES.get(name, f"{name.removesuffix('_id').replace('_', '-')}-1")

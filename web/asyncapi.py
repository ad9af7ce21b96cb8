"""The events as AsyncAPI 3.0 (asyncapi.com/docs/reference/specification/v3.0.0), from the catalog.

Inbound: what sister services may say over NATS. Outbound: what we publish. Examples of the first
are those of agents/examples, which a test sends.
"""

from pathlib import Path
from typing import Any

import agents
from agents.outbound import OUTBOUND, Told
from agents.registry import HANDLED, Handled
from streams.money import plain
from web.bodies import body_of
from web.openapi import VERSION
from web.schemas import Schema, record

_EXAMPLES = Path(agents.__file__).parent / "examples"
_VALUES: dict[str, Any] = {
    "currency": "KES",
    "sequence": 1,
    "items": 12,
    "final": False,
    "late": False,
    "overdue": False,
    "step_days": 3,
    "due_date": "2026-02-05",
    "day": "2026-01-31",
    "expected_date": "2026-02-01",
    "passed": "below",
    "kind": "unmatched_payment",
    "target": "earnings",
    "status": "approved",
    "provider": "instant",
    "expires": "with the invoice",
    "country": "KE",
}
_AMOUNTS = frozenset(
    {
        *("amount", "tax_amount", "gross", "refunds", "fees", "payouts", "disputes", "fee"),
        *("committed", "actual", "remaining"),
    }
)


def specification() -> dict[str, Any]:
    """The whole document."""
    inbound = {n: _inbound(each) for n, each in sorted(HANDLED.items()) if "nats" in each.ingress}
    outbound = {name: _outbound(name, told) for name, told in sorted(OUTBOUND.items())}
    messages = {**inbound, **outbound}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Treasury events",
            "version": VERSION,
            "description": "NATS JetStream, subject = event_type; outbound events besides on the"
            " Kafka topic treasury.events. At least once: the same event has the same event_id."
            " In any order: `sequence` grows with what happens to one resource.",
        },
        "defaultContentType": "application/json",
        "channels": {
            name: {
                "address": name,
                "messages": {"event": {"$ref": f"#/components/messages/{name}"}},
            }
            for name in messages
        },
        "operations": {
            name: {
                "action": "receive" if name in inbound else "send",
                "channel": {"$ref": f"#/channels/{name}"},
            }
            for name in messages
        },
        "components": {"messages": messages},
    }


def _inbound(handled: Handled) -> dict[str, Any]:
    schema = body_of(handled.model).model_json_schema(ref_template="{model}")
    parts = {name: _open(part, {}) for name, part in schema.pop("$defs", {}).items()}
    example = plain((_EXAMPLES / f"{handled.event_type}.json").read_bytes())
    doc = (handled.handler.__doc__ or "").strip().splitlines()[0]
    return _message(handled.event_type, doc, _open(schema, parts), example)


def _open(value: Any, parts: dict[str, Schema]) -> Any:
    """The schema with its parts in place; of events, members we do not know are ignored."""
    if isinstance(value, list):
        return [_open(item, parts) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return parts[value["$ref"]]
    closed = "additionalProperties"
    return {
        name: _open(member, parts)
        for name, member in value.items()
        if not (name == closed and member is False)
    }


def _outbound(name: str, told: Told) -> dict[str, Any]:
    data = {member: _example(member) for member in told.members.split()}
    schema = record({member: _schema(member) for member in data})
    example = {
        "event_id": "6f0e7a01-0b6c-5a53-9a3f-1f0a4f3f7a01",
        "event_type": name,
        "tenant_id": "demo-cafe",
        "timestamp": "2026-02-01T09:00:00Z",
        "data": data,
    }
    return _message(name, told.summary, schema, example)


def _example(member: str) -> Any:
    if member in _AMOUNTS:
        return 1500
    return _VALUES.get(member, f"{member.removesuffix('_id').replace('_', '-')}-1")


def _schema(member: str) -> Schema:
    if member in _AMOUNTS:
        return {"type": "number", "description": "With all decimals of its currency."}
    value = _VALUES.get(member, "")
    kind = {bool: "boolean", int: "integer"}.get(type(value), "string")
    return {"type": kind}


def _message(name: str, summary: str, data: Schema, example: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "string"}
    payload = record(
        {
            "event_id": text,
            "event_type": {"const": name},
            "tenant_id": text,
            "timestamp": {"type": "string", "format": "date-time"},
            "data": data,
        }
    )
    return {
        "name": name,
        "summary": summary,
        "payload": payload,
        "examples": [{"payload": example}],
    }

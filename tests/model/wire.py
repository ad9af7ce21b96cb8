"""JSON as sister services write it, amounts digit by digit, and the product's id rule, recomputed.

Uses the standard library alone: it stands against the product's own code, never on it.
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5

EVENTS: Final = UUID("6d0f8a8e-3c55-4a0e-9a5b-2f1c7f5f0b61")
"""The namespace of what an event causes; fixed for ever by the product's contract."""


@dataclass(frozen=True, slots=True)
class Exact:
    """A JSON number with exactly this text."""

    text: str


def to_json(value: object) -> bytes:
    """Compact JSON of dicts, lists, strings, booleans and exact numbers."""
    return _text(value).encode()


def _text(value: object) -> str:
    if isinstance(value, Exact):
        return value.text
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}:{_text(member)}" for name, member in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_text(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def from_json(raw: bytes) -> dict[str, Any]:
    """An object; numbers become Decimal with the digits they were written with."""
    value = json.loads(raw, parse_float=Decimal, parse_int=Decimal)
    assert isinstance(value, dict)
    return value


def derived_id(tenant_id: str, event_id: str, kind: str, ordinal: int = 0) -> str:
    """The id of what an event causes."""
    return str(uuid5(EVENTS, f"{tenant_id}\x1f{event_id}\x1f{kind}\x1f{ordinal}"))

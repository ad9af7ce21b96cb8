"""The language of our JSON Schemas, and rows in it, by their types; web/answers.py has all else.

Rows follow agents/shown.py: amounts are decimal text of the row's currency.
"""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from agents.shown import AMOUNTS, BY_NAME, COMPUTED, HIDDEN, NAMES, QUANTITIES, TOTALS
from tables.balances import Hold
from tables.budgets import Budget
from tables.journals import Conversion, Leg
from tables.row import Row

Schema = dict[str, Any]

AMOUNT: Schema = {
    "type": "string",
    "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$",
    "description": "Decimal text with all decimals of its currency.",
    "examples": ["1500.00"],
}
STRING, INTEGER, BOOLEAN = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
MOMENT = {"type": "string", "format": "date-time"}


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
    return record({"data": rows, "has_more": BOOLEAN, "next_cursor": cursor})


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
        members |= {name: {"anyOf": [ref("Amount"), NULL]} for name in ("amount", "remaining")}
    return record(members)


def _member(kind: type[msgspec.Struct], name: str, hint: Any) -> Schema:
    if name in AMOUNTS[kind].split():
        return _or_null(ref("Amount"), hint)
    if name in QUANTITIES.get(kind, "").split():
        return STRING
    if name in BY_NAME.get(kind, ()):
        return {"type": "object", "additionalProperties": ref("Amount")}
    return _of_type(hint)


_ALWAYS_TEXT: Mapping[type[msgspec.Struct], str] = {
    Conversion: "sold quoted bought",
    Hold: "amount",
}
NULL: Schema = {"type": "null"}


def _or_null(schema: Schema, hint: Any) -> Schema:
    return {"anyOf": [schema, NULL]} if NoneType in get_args(hint) else schema


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
    return {str: STRING, int: INTEGER, bool: BOOLEAN}[hint]


def _of_part(kind: type[msgspec.Struct]) -> Schema:
    if kind is Leg:
        return ref("Leg")
    return of_row(kind) if kind in AMOUNTS else {"type": "object"}


def component_of(kind: type[msgspec.Struct]) -> str:
    """The name under which a kind of row is a component."""
    return kind.__name__

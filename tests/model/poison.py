"""Messages that must become dead letters, each made from a good one, with the reason expected.

The reason is the first word of the product's; the rest of its text is not promised.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.model.wire import Exact, from_json, to_json


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A bad message and why it is bad."""

    subject: str
    raw: bytes
    reason: str


Body = dict[str, Any]


def spoil(number: int, subject: str, raw: bytes, dice: random.Random) -> Spoiled:
    """The `number`-th kind of poison, made from a good order message."""
    make, reason = KINDS[number % len(KINDS)]
    body = exact_again(from_json(raw))
    if reason != "conflict":
        body["event_id"] = str(UUID(int=dice.getrandbits(128), version=4))
        body["data"]["order_id"] = f"poisoned-{body['event_id']}"
    if reason == "unknown_type":
        subject = body["event_type"] = "cafe.order.imagined"
    if reason == "tenders_do_not_sum":
        subject = body["event_type"] = "pos.order.completed"
    if reason == "subject_mismatch":
        subject = "auth.outlet.created"
    return Spoiled(subject, make(body), reason)


def exact_again(value: Any) -> Any:
    """Numbers as `to_json` writes them, with the digits they came with."""
    if isinstance(value, dict):
        return {name: exact_again(member) for name, member in value.items()}
    if isinstance(value, list):
        return [exact_again(item) for item in value]
    return value if isinstance(value, (str, bool)) or value is None else Exact(str(value))


def _cut_off(body: Body) -> bytes:
    return to_json(body)[:-7]


def _without_tenant(body: Body) -> bytes:
    return to_json({name: member for name, member in body.items() if name != "tenant_id"})


def _numeric_id(body: Body) -> bytes:
    return to_json(body | {"event_id": Exact("17")})


def _without_order(body: Body) -> bytes:
    del body["data"]["order_id"]
    return to_json(body)


def _amount_is_true(body: Body) -> bytes:
    body["data"]["total_amount"] = True
    return to_json(body)


def _as_it_is(body: Body) -> bytes:
    return to_json(body)


def _too_many_decimals(body: Body) -> bytes:
    body["data"]["total_amount"] = Exact("1500.0001")
    return to_json(body)


def _negative(body: Body) -> bytes:
    body["data"] = {"order_id": body["data"]["order_id"], "total_amount": Exact("-1500")}
    return to_json(body)


def _tenders_short(body: Body) -> bytes:
    order_id = body["data"]["order_id"]
    tender = {"method": "card", "amount": Exact("99")}
    body["data"] = {"order_id": order_id, "total_amount": Exact("100"), "tenders": [tender]}
    return to_json(body)


def _twice_the_same_key(body: Body) -> bytes:
    return to_json(body).replace(b'"data":{', b'"data":{"total_amount":1,', 1)


def _another_amount(body: Body) -> bytes:
    body["data"]["total_amount"] = Exact("1")
    return to_json(body)


KINDS: tuple[tuple[Callable[[Body], bytes], str], ...] = (
    (_cut_off, "not_json"),
    (_without_tenant, "missing_member"),
    (_numeric_id, "bad_member"),
    (_without_order, "malformed"),
    (_amount_is_true, "malformed"),
    (_as_it_is, "unknown_type"),
    (_too_many_decimals, "bad_amount"),
    (_negative, "amount_not_positive"),
    (_tenders_short, "tenders_do_not_sum"),
    (_as_it_is, "subject_mismatch"),
    (_twice_the_same_key, "duplicate_key"),
    (_another_amount, "conflict"),
)

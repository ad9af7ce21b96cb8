"""Between a journaled call and the instant gateway's JSON, both ways. Pure: no IO, no clock."""

from typing import Literal

import msgspec

from connectors.base import NOT_FOUND, Ambiguous, Outcome, Refused, Result
from connectors.http import Answer
from streams.money import exponent_of, parse_minor


class Request(msgspec.Struct, frozen=True):
    """What the journaled call says; `amount` is decimal text."""

    amount: str
    currency: str
    authorization: str = ""


class Operation(msgspec.Struct, frozen=True):
    """The gateway's own record of an operation."""

    status: str
    reference: str = ""
    amount_minor: int | None = None
    currency: str = ""
    failure: str = ""


_OUTCOMES: dict[str, Outcome] = {"succeeded": "succeeded", "declined": "failed"}
_NOT_NOW = frozenset({408, 409, 425, 429})
_read_request = msgspec.json.Decoder(Request).decode
_read_operation = msgspec.json.Decoder(Operation).decode


def to_gateway(operation: str, request: bytes) -> bytes:
    """The body to post; raises ValueError or LookupError for a request that names no amount."""
    read = _read_request(request)
    minor = parse_minor(read.amount, exponent_of(read.currency))
    about = {"authorization": read.authorization} if read.authorization else {}
    return msgspec.json.encode(
        {"operation": operation, "amount_minor": minor, "currency": read.currency, **about}
    )


def to_result(answer: Answer, verb: Literal["perform", "query"]) -> Result:
    """What an answer means; raises `Ambiguous` or `Refused` for none."""
    if answer.status == 404 and verb == "query":
        return Result("unknown", detail=NOT_FOUND)
    if answer.status in _NOT_NOW:
        raise Ambiguous(f"status {answer.status}")
    if answer.status != 200:
        raise Refused(f"status {answer.status}")
    try:
        operation = _read_operation(answer.body)
    except ValueError as error:
        raise Ambiguous("unreadable answer") from error
    return Result(
        _OUTCOMES.get(operation.status, "pending"),
        operation.reference,
        operation.amount_minor,
        operation.currency,
        operation.failure,
    )

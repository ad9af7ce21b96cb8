"""JSON-RPC 2.0 as nodes speak it: calls, and what was said to each. Pure.

An error comes with status 200 like any answer; answers to a batch come in any order and are told
apart by their ids (JSON-RPC 2.0 specification, sections 5 and 6).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from connectors.base import Refused, TurnedAway
from connectors.reading import Unreadable
from streams.money import plain

LIMIT_EXCEEDED, INVALID_PARAMS, SERVER_ERROR, INTERNAL_ERROR = -32005, -32602, -32000, -32603
TOO_MUCH = frozenset({LIMIT_EXCEEDED, INVALID_PARAMS, SERVER_ERROR})
"""What nodes say of a range of logs that is too wide; their texts differ, so none is read."""
_PASSING = frozenset({LIMIT_EXCEEDED, INTERNAL_ERROR})


@dataclass(frozen=True, slots=True)
class Call:
    """One method with its parameters."""

    method: str
    params: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A result, or an error: `code` is None where it is none. `message` differs between nodes."""

    value: Any = None
    code: int | None = None
    message: str = ""

    def result(self) -> Any:
        """The result. Raises `TurnedAway` for an error that passes, `Refused` for any other."""
        if self.code is None:
            return self.value
        if self.code in _PASSING:
            raise TurnedAway(f"error {self.code}")
        raise Refused(f"error {self.code}")


def body_of(calls: Sequence[Call]) -> bytes:
    """The body of a request; more calls than one are a batch, whose ids count from zero."""
    said = [
        {"jsonrpc": "2.0", "id": at, "method": call.method, "params": call.params}
        for at, call in enumerate(calls)
    ]
    return msgspec.json.encode(said[0] if len(said) == 1 else said)


def said_of(body: bytes, count: int) -> list[Said]:
    """What was said to each of so many calls, in their order.

    One error instead of a batch is said to all of it. Raises `Unreadable` for anything else, and
    when a call was answered twice or not at all.
    """
    try:
        said = plain(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("not JSON") from error
    if isinstance(said, Mapping) and isinstance(said.get("error"), Mapping):
        return [_said(said)] * count
    answers = said if isinstance(said, list) else [said]
    found: dict[Any, Said] = {}
    for each in answers:
        if not isinstance(each, Mapping) or type(each.get("id")) is not int or each["id"] in found:
            raise Unreadable("no answer to a call")
        found[each["id"]] = _said(each)
    if found.keys() != set(range(count)):
        raise Unreadable("not the calls that were made")
    return [found[at] for at in range(count)]


def _said(members: Mapping[str, Any]) -> Said:
    error = members.get("error")
    if isinstance(error, Mapping):
        code, message = error.get("code"), error.get("message")
        return Said(code=code if type(code) is int else SERVER_ERROR, message=str(message))
    if "result" not in members:
        raise Unreadable("neither a result nor an error")
    return Said(members["result"])

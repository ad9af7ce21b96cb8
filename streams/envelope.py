"""The event as it travels: event_id, event_type, tenant_id, timestamp, data.

`read` judges the envelope, not what `data` says, and not what strict_json.py judges. A refusal
is a value: bad input is ordinary here. Additional members are ignored.
"""

import re
from functools import lru_cache

import msgspec
from msgspec import UNSET, Raw, UnsetType

from streams.ids import valid_id
from streams.timestamps import BadTimestamp, parse_ms

MAX_TYPE_LENGTH = 128

_is_type = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+){1,5}").fullmatch
_NOTHING = Raw(b"")
_BRACE = b"{"


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """One event. `data` is the text of a JSON object, byte for byte as it arrived."""

    event_id: str
    event_type: str
    tenant_id: str
    timestamp: str
    timestamp_ms: int
    data: bytes


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why bytes are no envelope: a stable reason, and the member or parser's remark."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class _Wire(msgspec.Struct, gc=False):
    """Both spellings of the members; sister services send `id` and `payload`."""

    event_id: str | UnsetType = UNSET
    id: str | UnsetType = UNSET
    event_type: str | UnsetType = UNSET
    tenant_id: str | UnsetType = UNSET
    timestamp: str | UnsetType = UNSET
    data: Raw = _NOTHING
    payload: Raw = _NOTHING


_decode = msgspec.json.Decoder(_Wire).decode


def read(raw: bytes | Raw) -> Envelope | Refusal:
    """The envelope in the bytes, or the first reason against it.

    In this order: not_utf8, too_deep, not_json, bad_member (a member of another kind, or no
    object), ambiguous (both spellings), missing_member, bad_event_id, bad_event_type,
    bad_tenant_id, bad_timestamp, bad_data (not an object).
    """
    try:
        wire = _decode(raw)
    except (ValueError, RecursionError) as error:
        return _refusal_of(error)
    if wire.id is not UNSET or wire.payload is not _NOTHING:
        both = _take_other_spelling(wire)
        if both:
            return Refusal("ambiguous", both)
    event_id, event_type = wire.event_id, wire.event_type
    tenant_id, timestamp = wire.tenant_id, wire.timestamp
    if (
        event_id is UNSET
        or event_type is UNSET
        or tenant_id is UNSET
        or timestamp is UNSET
        or wire.data is _NOTHING
    ):
        return _missing(wire)
    return _judge(event_id, event_type, tenant_id, timestamp, wire.data)


def _judge(
    event_id: str, event_type: str, tenant_id: str, timestamp: str, data: Raw
) -> Envelope | Refusal:
    if not valid_id(event_id):
        return Refusal("bad_event_id", "")
    if not valid_type(event_type):
        return Refusal("bad_event_type", "")
    if not _valid_tenant(tenant_id):
        return Refusal("bad_tenant_id", "")
    try:
        timestamp_ms = parse_ms(timestamp)
    except BadTimestamp as error:
        return Refusal("bad_timestamp", error.reason)
    body = bytes(data)
    if body[:1] != _BRACE:
        return Refusal("bad_data", "")
    return Envelope(event_id, event_type, tenant_id, timestamp, timestamp_ms, body)


def _take_other_spelling(wire: _Wire) -> str:
    """Move `id` and `payload` to the names of the guide; returns the pair that came twice."""
    if wire.id is not UNSET:
        if wire.event_id is not UNSET:
            return "event_id and id"
        wire.event_id = wire.id
    if wire.payload is not _NOTHING:
        if wire.data is not _NOTHING:
            return "data and payload"
        wire.data = wire.payload
    return ""


@lru_cache(maxsize=4096)
def valid_type(text: str) -> bool:
    """Whether the text can be an event type: two to six lower-case words joined by points."""
    return len(text) <= MAX_TYPE_LENGTH and _is_type(text) is not None


_valid_tenant = lru_cache(maxsize=65_536)(valid_id)


def _refusal_of(error: ValueError | RecursionError) -> Refusal:
    if isinstance(error, msgspec.ValidationError):
        return Refusal("bad_member", str(error))
    if isinstance(error, UnicodeDecodeError):
        return Refusal("not_utf8", "")
    if isinstance(error, RecursionError):
        return Refusal("too_deep", "")
    return Refusal("not_json", str(error))


def _missing(wire: _Wire) -> Refusal:
    for name in ("event_id", "event_type", "tenant_id", "timestamp"):
        if getattr(wire, name) is UNSET:
            return Refusal("missing_member", name)
    return Refusal("missing_member", "data")

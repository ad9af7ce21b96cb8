"""The only things a handler may return, and nothing else happens: no clock, no dice, no calls out.

A refusal is a value: its reason is a short stable word that callers can program against.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.journal import Posting
from tables.row import Row


@dataclass(frozen=True, slots=True)
class Post:
    """Postings that sum to zero per asset; at least two."""

    postings: list[Posting]


@dataclass(frozen=True, slots=True)
class Put:
    """The full new value of a row."""

    row: Row


@dataclass(frozen=True, slots=True)
class Delete:
    """Removal of the row under `key`."""

    key: bytes


@dataclass(frozen=True, slots=True)
class Emit:
    """An outbound event; `data` are its members (amounts as `streams.money.json_number`)."""

    event_type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallGateway:
    """A wish to call `operation` of a gateway; `call_id` is derived and is the idempotency key."""

    call_id: str
    gateway: str
    operation: str
    subject_id: str
    request: Mapping[str, Any]
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Set aside `minor` on an account until captured, released or `expires_ms` of log time."""

    hold_id: str
    account: str
    asset: str
    minor: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class EndHold:
    """End a hold: `captured` minor units of it are posted by the same entry; 0 releases it.

    `expired` tells that the clock released it, not a person.
    """

    hold_id: str
    captured: int = 0
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """Look at (kind, subject) again when log time passes `at_ms`."""

    at_ms: int
    kind: str
    subject: str


@dataclass(frozen=True, slots=True)
class Park:
    """Wait until the row under `key` is written; refused with `reason` at the deadline."""

    key: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Redrive:
    """Decide a rejected event once more, from its raw bytes; void if it was applied since."""

    raw: bytes
    ingress: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nothing happens. HTTP callers are answered; other events become dead letters."""

    reason: str
    detail: str = ""
    http_status: int = 409


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to an HTTP command."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)


Effect = (
    Post
    | Put
    | Delete
    | Emit
    | CallGateway
    | Hold
    | EndHold
    | Schedule
    | Park
    | Redrive
    | Refuse
    | Answer
)
Effects = Iterable[Effect]

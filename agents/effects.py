"""The only things a handler may return, and nothing else happens: no clock, no dice, no calls out.

A refusal is a value: its reason is a short stable word that callers can program against.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from streams.journal import Posting
from tables.row import Row


class Post(msgspec.Struct, frozen=True, gc=False):
    """Postings that sum to zero per asset; at least two.

    `day` is when they are effective (ISO), by default the tenant-local day of the event. All
    postings of an event are of one day.
    """

    postings: list[Posting]
    day: str = ""


class Put(msgspec.Struct, frozen=True, gc=False):
    """The full new value of a row."""

    row: Row


class Delete(msgspec.Struct, frozen=True, gc=False):
    """Removal of the row under `key`."""

    key: bytes


class Emit(msgspec.Struct, frozen=True, gc=False):
    """An outbound event; `data` are its members (amounts as `streams.money.json_number`)."""

    event_type: str
    data: Mapping[str, Any]


CALL_DEADLINE_MS = 60 * 1000
GRANT_MAX_MS = 60 * 1000
"""For so long, at most, may a call be sent."""
CALL_FINAL_AFTER_MS = 6 * 60 * 1000
"""How long after its deadline a call that is "not found" may still turn into something."""
"""How long after its wish a call may be granted; then it is over and was not sent."""


class CallGateway(msgspec.Struct, frozen=True, gc=False):
    """A wish to call `operation` of a gateway; `call_id` is derived and is the idempotency key.

    With `gateways`, whichever of them fares best takes it. `code` is what its payer is shown.
    """

    call_id: str
    gateway: str
    operation: str
    subject_id: str
    request: Mapping[str, Any]
    deadline_ms: int
    gateways: tuple[str, ...] = ()
    code: str = ""


class Hold(msgspec.Struct, frozen=True, gc=False):
    """Set aside `minor` on an account until captured, released or `expires_ms` of log time."""

    hold_id: str
    account: str
    asset: str
    minor: int
    expires_ms: int


class EndHold(msgspec.Struct, frozen=True, gc=False):
    """End a hold: `captured` minor units of it are posted by the same entry; 0 releases it.

    `expired` tells that the clock released it, not a person.
    """

    hold_id: str
    captured: int = 0
    expired: bool = False


class Schedule(msgspec.Struct, frozen=True, gc=False):
    """Look at (kind, subject) again when the tenant's clock passes `at_ms`.

    `log_time`: by the log's clock, which a sandbox tenant cannot put forward.
    """

    at_ms: int
    kind: str
    subject: str
    log_time: bool = False


class Unschedule(msgspec.Struct, frozen=True, gc=False):
    """Do not look again: the opposite of the same `Schedule`."""

    at_ms: int
    kind: str
    subject: str
    log_time: bool = False


class AdvanceClock(msgspec.Struct, frozen=True, gc=False):
    """Put a sandbox tenant's clock forward to `until_ms`, through every moment before it."""

    until_ms: int


class Park(msgspec.Struct, frozen=True, gc=False):
    """Wait until the row under `key` is written; refused with `reason` at the deadline."""

    key: bytes
    reason: str


class Redrive(msgspec.Struct, frozen=True, gc=False):
    """Decide a rejected event once more, from its raw bytes; void if it was applied since."""

    raw: bytes
    ingress: str


class Refuse(msgspec.Struct, frozen=True, gc=False):
    """Nothing happens. HTTP callers are answered; other events become dead letters."""

    reason: str
    detail: str = ""
    http_status: int = 409


class DryRun(msgspec.Struct, frozen=True, gc=False):
    """Nothing happens; the caller is told what would have."""

    body: Mapping[str, Any]


class Unfit(ValueError):
    """Raised by who finds that an event cannot be: it is refused, as by a `Refuse` of the same."""

    def __init__(self, reason: str, detail: str = "", http_status: int = 422) -> None:
        super().__init__(reason)
        self.reason, self.detail, self.http_status = reason, detail, http_status


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The reply to an HTTP command."""

    status: int
    body: Mapping[str, Any] = {}


Effect = (
    Post
    | Put
    | Delete
    | Emit
    | CallGateway
    | Hold
    | EndHold
    | Schedule
    | Unschedule
    | AdvanceClock
    | Park
    | Redrive
    | Refuse
    | DryRun
    | Answer
)
Effects = Iterable[Effect]

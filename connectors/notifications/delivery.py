"""What the notifications service reports of a message: it was sent, or it failed. Pure.

A report is an event on the subject `notifications.delivery.status`. It comes in the platform's
envelope, or in the one of the sister services' shared library; there the type of the event is
shorter than its subject, and a tenant whose id is no UUID is told as the nil UUID, so that only
the report itself says whose it is (the service's event catalog).
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from connectors.notifications.translate import SOURCE
from connectors.reading import Unreadable
from streams import strict_json
from streams.envelope import Envelope, Refusal, read
from streams.ids import valid_id

SUBJECT = "notifications.delivery.status"
_TYPES = frozenset({SUBJECT, "notification.delivery.status", "delivery.status"})
_NIL = "00000000-0000-0000-0000-000000000000"
_TEXT_CHARS_MAX = 200
Status = Literal["sent", "failed"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a message ended; `error` is for people, and empty if it was sent.

    `event_id` is the same for the same report. Of whom it was for it says nothing.
    """

    event_id: str
    tenant_id: str
    reference_type: str
    reference_id: str
    channel: str
    template: str
    status: Status
    request_id: str
    error: str


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    tenant_id: str = ""
    source_service: str = ""
    reference_type: str = ""
    reference_id: str = ""
    channel: str = ""
    template: str = ""
    request_id: str | None = None
    error: str | None = None


_decode = msgspec.json.Decoder(_Report).decode


def delivery_of(body: bytes) -> Delivery | None:
    """The report in an event; None for one about a message of another service.

    Raises `Unreadable` for anything else: also for a status that is neither sent nor failed, a
    report that names nothing it is about, and two tenants in one event.
    """
    fault = strict_json.check(body)
    if fault is not None:
        raise Unreadable(fault)
    envelope = read(body)
    if isinstance(envelope, Refusal):
        raise Unreadable(str(envelope))
    if envelope.event_type not in _TYPES:
        raise Unreadable("another kind of event")
    try:
        report = _decode(envelope.data)
    except ValueError as error:
        raise Unreadable(f"no report: {error}") from error
    return _judged(envelope, report) if report.source_service == SOURCE else None


def _judged(envelope: Envelope, report: _Report) -> Delivery:
    if not valid_id(report.reference_id) or not valid_id(report.reference_type):
        raise Unreadable("a report about nothing")
    return Delivery(
        envelope.event_id,
        _tenant_of(envelope, report),
        report.reference_type,
        report.reference_id,
        _text(report.channel),
        _text(report.template),
        _status_of(report),
        _text(report.request_id or ""),
        _text(report.error or ""),
    )


def _text(said: str) -> str:
    """A short text that can be kept and shown: what cannot be printed is a space."""
    kept = said[:_TEXT_CHARS_MAX]
    return "".join(char if char.isprintable() else " " for char in kept)


def _status_of(report: _Report) -> Status:
    if report.status == "sent":
        return "sent"
    if report.status == "failed":
        return "failed"
    raise Unreadable("a status that ends nothing")


def _tenant_of(envelope: Envelope, report: _Report) -> str:
    """Whose message it was: as the report says, and the envelope where the report does not."""
    told = {report.tenant_id, envelope.tenant_id} - {"", _NIL}
    if len(told) != 1:
        raise Unreadable("two tenants" if told else "no tenant")
    [tenant_id] = told
    if not valid_id(tenant_id):
        raise Unreadable("an invalid tenant")
    return tenant_id

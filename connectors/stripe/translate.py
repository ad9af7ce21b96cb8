"""Between our payments and Stripe's objects, both ways. Pure: no IO, no clock.

Only an explicit final status is success or failure; one that is not known here is pending (API
reference, "PaymentIntents", "Refunds", "Payouts", "Events", "Errors").
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from connectors.base import NOT_FOUND, Outcome, Result
from connectors.callbacks import Deposit, Disputed
from connectors.reading import Unfit, Unreadable, object_of
from connectors.stripe.amounts import (
    from_stripe,
    to_stripe,
)
from streams.money import exponent_of, format_minor, parse_minor

Kind = Literal["payment_intent", "refund", "payout", "charge", "dispute", "other"]
_DETAIL_CHARS = 200
_STATUSES: Mapping[str, Mapping[str, Outcome]] = {
    "collect": {"succeeded": "succeeded", "canceled": "failed"},
    "authorize": {"requires_capture": "succeeded", "canceled": "failed"},
    "capture": {"succeeded": "succeeded", "canceled": "failed"},
    "void": {"canceled": "succeeded", "succeeded": "failed"},
    "refund": {"succeeded": "succeeded", "failed": "failed", "canceled": "failed"},
    "payout": {"paid": "succeeded", "failed": "failed", "canceled": "failed"},
}
"""By operation: what a status of the object that it is about says of it."""
_OBJECTS: Mapping[str, str] = {"refund": "refund", "payout": "payout"}
_AMOUNTS: Mapping[str, str] = {
    "collect": "amount_received",
    "authorize": "amount_capturable",
    "capture": "amount_received",
}
_ABOUT: Mapping[Kind, str] = {"payment_intent": "collect", "refund": "refund", "payout": "payout"}
_ENDS: Mapping[str, Literal["won", "lost"]] = {"won": "won", "lost": "lost"}
_OF_EVENTS: Mapping[str, Kind] = {
    "payment_intent": "payment_intent",
    "refund": "refund",
    "payout": "payout",
}


class Wish(msgspec.Struct, frozen=True):
    """What a journaled call says; `amount` is decimal text."""

    amount: str
    currency: str
    payment_id: str = ""
    refund_id: str = ""
    payout_id: str = ""
    provider_reference: str = ""
    authorization: str = ""


class Told(msgspec.Struct, frozen=True):
    """An event of a webhook: its id, what it is about, and how that stands.

    An intent is judged as one that collects; of one that holds first it is pending, because what a
    status says of it depends on the call that it is about.
    """

    event_id: str
    live: bool
    kind: Kind
    subject: str
    """Stripe's id of the object."""
    call_id: str
    """Ours, from the object's metadata; empty if it is none of ours."""
    result: Result


# -- to Stripe ------------------------------------------------------------------------------------


def payment_intent(wish: Wish, call_id: str, *, held: bool = False) -> dict[str, Any]:
    """The members of a payment intent; `held` only holds the money. Raises as `sent`."""
    return {
        "amount": sent(wish),
        "currency": wish.currency.lower(),
        "automatic_payment_methods": {"enabled": True},
        "capture_method": "manual" if held else "automatic",
        "metadata": {"call_id": call_id, "payment_id": wish.payment_id},
    }


def capture(wish: Wish) -> dict[str, Any]:
    """The members of a capture of so much of what is held."""
    return {"amount_to_capture": sent(wish)}


def refund(wish: Wish, call_id: str) -> dict[str, Any]:
    """The members of a refund."""
    return {
        "payment_intent": wish.provider_reference,
        "amount": sent(wish),
        "metadata": {"call_id": call_id, "refund_id": wish.refund_id},
    }


def payout(wish: Wish, call_id: str) -> dict[str, Any]:
    """The members of a payout to the account's own bank."""
    return {
        "amount": sent(wish, payout=True),
        "currency": wish.currency.lower(),
        "metadata": {"call_id": call_id, "payout_id": wish.payout_id},
    }


def sent(wish: Wish, *, payout: bool = False) -> int:
    """Stripe's integer of the amount. Raises `Unfit`, BadAmount or LookupError."""
    minor = parse_minor(wish.amount, exponent_of(wish.currency))
    return to_stripe(minor, wish.currency, payout=payout)


# -- from Stripe ----------------------------------------------------------------------------------


def result_of(body: bytes, operation: str) -> Result:
    """What an object says of the operation that it is about. Raises `Unreadable`."""
    return _result(object_of(body), operation)


def found_in(body: bytes, call_id: str, operation: str) -> Result:
    """What the object of a list says that bears our call's id. Raises `Unreadable`.

    Unknown with `NOT_FOUND` if none does.
    """
    listed = object_of(body).get("data")
    for each in listed if isinstance(listed, list) else []:
        metadata = each.get("metadata") if isinstance(each, Mapping) else None
        if isinstance(metadata, Mapping) and metadata.get("call_id") == call_id:
            return _result(each, operation)
    return Result("unknown", detail=NOT_FOUND)


def _result(said: Mapping[str, Any], operation: str) -> Result:
    status, handle = _text(said, "status"), _text(said, "id")
    if _text(said, "object") != _OBJECTS.get(operation, "payment_intent"):
        return Result("pending", detail="another kind of object")
    outcome = _STATUSES.get(operation, {}).get(status, "pending")
    if status == "requires_payment_method" and operation in {"collect", "authorize"}:
        # So it begins as well; only an error says that somebody tried.
        tried = isinstance(said.get("last_payment_error"), Mapping)
        outcome = "failed" if tried else "pending"
    if outcome == "failed":
        failure, detail = _failure(said)
        return Result("failed", handle, failure=failure or status, detail=detail)
    minor, asset = _amount(said, _AMOUNTS.get(operation, "amount"))
    if outcome == "pending" or minor is None or not handle:
        secret = _text(said, "client_secret")
        return Result("pending", detail=status, handle=handle, payer_action=secret)
    return Result("succeeded", handle, minor, asset, detail=status)


def can_be_paid(body: bytes) -> bool:
    """Whether an intent still waits for its payer. Raises `Unreadable`."""
    return _text(object_of(body), "status") == "requires_payment_method"


def _amount(said: Mapping[str, Any], name: str) -> tuple[int | None, str]:
    asset, value = _text(said, "currency").upper(), said.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        return None, ""
    try:
        return from_stripe(value, asset), asset
    except Unfit:
        return None, ""


def _failure(said: Mapping[str, Any]) -> tuple[str, str]:
    """(a word, words for people) of an object's own error."""
    error = said.get("last_payment_error")
    if isinstance(error, Mapping):
        return _text(error, "decline_code") or _text(error, "code"), _text(error, "message")
    return (
        _text(said, "failure_code") or _text(said, "failure_reason"),
        _text(said, "failure_message"),
    )


def error_of(body: bytes) -> tuple[str, str, str]:
    """(type, code, message) of an error; empty where there is none."""
    try:
        error = object_of(body).get("error")
    except Unreadable:
        return "", "", ""
    if not isinstance(error, Mapping):
        return "", "", ""
    code = _text(error, "decline_code") or _text(error, "code")
    return _text(error, "type"), code, _text(error, "message")


def event_of(body: bytes) -> Told:
    """An event of a webhook. Raises `Unreadable` for none, and for events of the other version."""
    said = object_of(body)
    data = said.get("data")
    about = data.get("object") if isinstance(data, Mapping) else None
    if said.get("object") != "event" or not isinstance(about, Mapping):
        raise Unreadable("no event with an object")
    event_id = _text(said, "id")
    if not event_id or not _text(said, "type") or not isinstance(said.get("livemode"), bool):
        raise Unreadable("no id, type or livemode")
    metadata = about.get("metadata")
    kind = _OF_EVENTS.get(str(about.get("object")), "other")
    return Told(
        event_id,
        said["livemode"],
        kind,
        _text(about, "id"),
        _text(metadata, "call_id") if isinstance(metadata, Mapping) else "",
        _told(about, kind),
    )


def _told(about: Mapping[str, Any], kind: Kind) -> Result:
    """How the object of an event stands; of what is held first its status says too little."""
    if kind not in _ABOUT or about.get("capture_method") == "manual":
        return Result("pending", detail=_text(about, "status"))
    return _result(about, _ABOUT[kind])


def dispute_of(body: bytes) -> Disputed | None:
    """The dispute that an event is about; None for other events, and for inquiries: those hold no
    money. Raises `Unreadable` for one whose payment or amount cannot be read.
    """
    said = object_of(body)
    data = said.get("data")
    about = data.get("object") if isinstance(data, Mapping) else None
    if not isinstance(about, Mapping) or about.get("object") != "dispute":
        return None
    status = _text(about, "status")
    if status.startswith("warning_"):
        return None
    asset = _text(about, "currency").upper()
    minor, _ = _amount(about, "amount")
    reference = _text(about, "payment_intent")
    if minor is None or not reference or not _text(about, "id"):
        raise Unreadable("a dispute of no payment or amount")
    ended = _text(said, "type") == "charge.dispute.closed"
    return Disputed(
        _text(said, "id"),
        _text(about, "id"),
        reference,
        _ENDS.get(status, "unclear") if ended else "opened",
        minor,
        asset,
        _fees(about, asset),
        _text(about, "reason"),
    )


def balance_lines(body: bytes) -> tuple[list[Mapping[str, str]], bool]:
    """Lines of the account's balance, amounts as decimal text, and whether there are more.

    Raises `Unreadable` for a line whose amounts cannot be read.
    """
    said = object_of(body)
    listed = said.get("data")
    if not isinstance(listed, list):
        raise Unreadable("no list")
    return [_line(each) for each in listed], said.get("has_more") is True


def _line(said: object) -> Mapping[str, str]:
    if not isinstance(said, Mapping):
        raise Unreadable("an invalid line")
    asset = _text(said, "currency").upper()
    amounts = {name: _amount(said, name)[0] for name in ("amount", "fee", "net")}
    found = {name: minor for name, minor in amounts.items() if minor is not None}
    if len(found) < len(amounts) or not _text(said, "id"):
        raise Unreadable("a line without its amounts")
    return {
        "id": _text(said, "id"),
        "category": _text(said, "reporting_category"),
        "source": _text(said, "source"),
        "currency": asset,
        **{name: format_minor(minor, exponent_of(asset)) for name, minor in found.items()},
    }


def deposit_of(body: bytes) -> Deposit | None:
    """The money of a subscription's invoice that Stripe has collected by itself; None for other
    events. Raises `Unreadable` for one without its amount.

    Its reference is what the invoice (or its subscription) was given to bear: our invoice or order.
    """
    said = object_of(body)
    data = said.get("data")
    about = data.get("object") if isinstance(data, Mapping) else None
    if _text(said, "type") != "invoice.paid" or not isinstance(about, Mapping):
        return None
    minor, asset = _amount(about, "amount_paid")
    receipt = _text(about, "payment_intent") or _text(about, "charge") or _text(about, "id")
    if minor is None or not receipt:
        raise Unreadable("an invoice without its amount")
    if minor == 0:
        return None
    return Deposit(
        _text(said, "id"),
        receipt,
        _text(about, "account_name"),
        minor,
        asset,
        _reference(about),
        _text(about, "customer_email"),
        None,
    )


def _reference(invoice: Mapping[str, Any]) -> str:
    details = invoice.get("subscription_details")
    of_subscription = details.get("metadata") if isinstance(details, Mapping) else None
    for metadata in (invoice.get("metadata"), of_subscription):
        if isinstance(metadata, Mapping):
            found = _text(metadata, "invoice_id") or _text(metadata, "order_id")
            if found:
                return found
    return ""


def _fees(dispute: Mapping[str, Any], asset: str) -> int:
    """Fees that Stripe took for a dispute, where they are in its own currency."""
    listed = dispute.get("balance_transactions")
    found = 0
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, Mapping) and _text(each, "currency").upper() == asset:
            found += _amount(each, "fee")[0] or 0
    return max(found, 0)


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value[:_DETAIL_CHARS] if isinstance(value, str) else ""

"""Between our payments and PayPal's objects, both ways. Pure: no IO, no clock.

An order that is completed is no money yet: its capture has a status of its own, and only that one
counts (PayPal documentation, "Orders v2", "Payments v2", "Payouts v1", "Webhook event names").
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from connectors.base import NOT_FOUND, Outcome, Result
from connectors.callbacks import Disputed
from connectors.paypal.amounts import (
    minor_of,
    value_of,
)
from connectors.reading import Unfit, Unreadable, object_of
from streams.money import Amount, exponent_of, parse_minor

Kind = Literal["order", "capture", "refund", "payout_item", "other"]
_CHARS_MAX = 200
_CAPTURES: Mapping[str, Outcome] = {
    "COMPLETED": "succeeded",
    "PARTIALLY_REFUNDED": "succeeded",
    "REFUNDED": "succeeded",
    "DECLINED": "failed",
    "FAILED": "failed",
}
_REFUNDS: Mapping[str, Outcome] = {
    "COMPLETED": "succeeded",
    "CANCELLED": "failed",
    "FAILED": "failed",
}
_ITEMS: Mapping[str, Outcome] = {
    "SUCCESS": "succeeded",
    "FAILED": "failed",
    "RETURNED": "failed",
    "BLOCKED": "failed",
    "REFUNDED": "failed",
    "REVERSED": "failed",
    "CANCELED": "failed",
}
_OUTCOMES: Mapping[str, Literal["won", "lost"]] = {
    "RESOLVED_BUYER_FAVOUR": "lost",
    "RESOLVED_SELLER_FAVOUR": "won",
    "RESOLVED_WITH_PAYOUT": "won",
    "CANCELED_BY_BUYER": "won",
}
_KINDS: Mapping[str, Kind] = {
    "checkout-order": "order",
    "capture": "capture",
    "refund": "refund",
    "payouts_item": "payout_item",
}


class Wish(msgspec.Struct, frozen=True):
    """What a journaled call says; `amount` is decimal text."""

    amount: str
    currency: str
    destination: str = ""
    reference: str = ""
    provider_reference: str = ""


class Told(msgspec.Struct, frozen=True):
    """An event of a webhook: what it is about, and how that stands."""

    event_id: str
    kind: Kind
    subject: str
    """PayPal's id of the object."""
    call_id: str
    """Ours, which PayPal repeats; empty if it is none of ours."""
    result: Result


# -- to PayPal ------------------------------------------------------------------------------------


def order(wish: Wish, call_id: str, return_url: str, cancel_url: str) -> dict[str, Any]:
    """The body of an order that is captured once its payer has approved. Raises as `money`."""
    unit = {"reference_id": "1", "custom_id": call_id, "amount": money(wish)}
    context = {"return_url": return_url, "cancel_url": cancel_url}
    return {
        "intent": "CAPTURE",
        "purchase_units": [unit],
        "payment_source": {"paypal": {"experience_context": context}},
    }


def refund(wish: Wish, call_id: str) -> dict[str, Any]:
    """The body of a refund of a capture."""
    return {"amount": money(wish), "custom_id": call_id}


def payout(wish: Wish, call_id: str) -> dict[str, Any]:
    """The body of a batch of one: one bad receiver must not stop the others.

    The batch bears our id, which PayPal takes once in thirty days.
    """
    named = money(wish)
    return {
        "sender_batch_header": {"sender_batch_id": call_id, "email_subject": "Payment"},
        "items": [
            {
                "recipient_type": "EMAIL",
                "receiver": wish.destination,
                "sender_item_id": call_id,
                "amount": {"currency": named["currency_code"], "value": named["value"]},
            }
        ],
    }


def money(wish: Wish) -> dict[str, str]:
    """PayPal's amount. Raises `Unfit`, BadAmount or LookupError."""
    minor = parse_minor(wish.amount, exponent_of(wish.currency))
    return {"currency_code": wish.currency, "value": value_of(minor, wish.currency)}


# -- from PayPal ----------------------------------------------------------------------------------


def order_result(body: bytes) -> Result:
    """How an order's money stands: by its captures alone. Raises `Unreadable`."""
    said = object_of(body)
    results = {
        result.outcome: result
        for result in (_result("capture", capture) for capture in _payments(said, "captures"))
    }
    if "succeeded" in results:
        return results["succeeded"]
    if "pending" in results:
        return Result("pending", detail=results["pending"].detail, handle=_text(said, "id"))
    if "failed" in results:
        return results["failed"]
    if _text(said, "status") == "VOIDED":
        return Result("failed", _text(said, "id"), failure="voided")
    return Result(
        "pending",
        detail=_text(said, "status"),
        handle=_text(said, "id"),
        payer_action=_link(said, "payer-action") or _link(said, "approve"),
    )


def is_approved(body: bytes) -> bool:
    """Whether an order waits for its capture. Raises `Unreadable`."""
    return _text(object_of(body), "status") == "APPROVED"


def _link(said: Mapping[str, Any], rel: str) -> str:
    links = said.get("links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, Mapping) and link.get("rel") == rel:
            return _text(link, "href")
    return ""


def _payments(said: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    units = said.get("purchase_units")
    for unit in units if isinstance(units, list) else []:
        payments = unit.get("payments") if isinstance(unit, Mapping) else None
        listed = payments.get(kind) if isinstance(payments, Mapping) else None
        yield from (each for each in listed or [] if isinstance(each, Mapping))


def refund_result(body: bytes) -> Result:
    """How a refund stands. Raises `Unreadable`."""
    return _result("refund", object_of(body))


def refund_in_order(body: bytes, call_id: str) -> Result:
    """How the refund of an order stands that bears our call's id. Raises `Unreadable`.

    Unknown with `NOT_FOUND` if none does.
    """
    for refund in _payments(object_of(body), "refunds"):
        if refund.get("custom_id") == call_id:
            return _result("refund", refund)
    return Result("unknown", detail=NOT_FOUND)


def order_of_capture(body: bytes) -> str:
    """The order that a capture belongs to; empty if it names none. Raises `Unreadable`."""
    extra = object_of(body).get("supplementary_data")
    related = extra.get("related_ids") if isinstance(extra, Mapping) else None
    return _text(related, "order_id") if isinstance(related, Mapping) else ""


def batch_of(body: bytes) -> str:
    """PayPal's id of a batch that was taken: now, or before, which a link names.

    Raises `Unreadable`.
    """
    said = object_of(body)
    header = said.get("batch_header")
    if isinstance(header, Mapping):
        return _text(header, "payout_batch_id")
    return _link(said, "self").rpartition("/")[2]


def batch_result(body: bytes) -> Result:
    """How the one item of a batch stands; the batch's own status says nothing of it.

    Raises `Unreadable`.
    """
    said = object_of(body)
    header, items = said.get("batch_header"), said.get("items")
    batch_id = _text(header, "payout_batch_id") if isinstance(header, Mapping) else ""
    first = items[0] if isinstance(items, list) and items else None
    if not isinstance(first, Mapping):
        denied = isinstance(header, Mapping) and header.get("batch_status") == "DENIED"
        return Result("failed", batch_id, failure="denied") if denied else _waiting(batch_id)
    result = _result("payout_item", first)
    return _waiting(batch_id, result.detail) if result.outcome == "pending" else result


def _waiting(batch_id: str, detail: str = "") -> Result:
    return Result("pending", detail=detail, handle=batch_id)


def _result(kind: Kind, said: Mapping[str, Any]) -> Result:
    if kind == "payout_item":
        handle, status = _text(said, "payout_item_id"), _text(said, "transaction_status")
        item = said.get("payout_item")
        priced = item.get("amount") if isinstance(item, Mapping) else None
        outcome = _ITEMS.get(status, "pending")
    else:
        handle, status, priced = _text(said, "id"), _text(said, "status"), said.get("amount")
        outcome = (_CAPTURES if kind == "capture" else _REFUNDS).get(status, "pending")
    if outcome == "failed":
        return Result("failed", handle, failure=status.lower(), detail=_reason(said))
    minor, asset = _priced(priced)
    if outcome == "pending" or minor is None or not handle:
        return Result("pending", detail=_reason(said) or status, handle=handle)
    return Result("succeeded", handle, minor, asset, detail=_reason(said) or status)


def _priced(priced: object) -> tuple[int | None, str]:
    if not isinstance(priced, Mapping):
        return None, ""
    asset = _text(priced, "currency_code") or _text(priced, "currency")
    value = priced.get("value")
    text = value.text if isinstance(value, Amount) else value
    if not isinstance(text, str):
        return None, ""
    try:
        return minor_of(text, asset), asset
    except Unfit:
        return None, ""


def _reason(said: Mapping[str, Any]) -> str:
    for name in ("status_details", "errors"):
        details = said.get(name)
        if isinstance(details, Mapping):
            return _text(details, "reason") or _text(details, "name")
    return ""


def issues_of(body: bytes) -> tuple[str, ...]:
    """The issues of an error, its own name first; none for what is no error."""
    try:
        said = object_of(body)
    except Unreadable:
        return ()
    listed = said.get("details")
    details = listed if isinstance(listed, list) else []
    names = [_text(said, "name"), *(_text(d, "issue") for d in details if isinstance(d, Mapping))]
    return tuple(name for name in names if name)


def event_of(body: bytes) -> Told:
    """An event of a webhook. Raises `Unreadable`."""
    said = object_of(body)
    about = said.get("resource")
    event_id = _text(said, "id")
    if not event_id or not _text(said, "event_type") or not isinstance(about, Mapping):
        raise Unreadable("no event about a resource")
    kind = _KINDS.get(_text(said, "resource_type"), "other")
    settled = kind in {"capture", "refund", "payout_item"}
    result = _result(kind, about) if settled else Result("pending")
    return Told(
        event_id,
        kind,
        _text(about, "payout_item_id") or _text(about, "id"),
        _call_id(kind, about),
        result,
    )


def dispute_of(body: bytes) -> Disputed | None:
    """The dispute that an event is about; None for other events, and for inquiries between payer
    and seller. Raises `Unreadable` for one whose payment or amount cannot be read.
    """
    said = object_of(body)
    about = said.get("resource")
    if _text(said, "resource_type") != "dispute" or not isinstance(about, Mapping):
        return None
    ended = _text(said, "event_type") == "CUSTOMER.DISPUTE.RESOLVED"
    if _text(about, "dispute_life_cycle_stage") == "INQUIRY":
        return None
    minor, asset = _priced(about.get("dispute_amount"))
    reference = _disputed_capture(about)
    if minor is None or not reference or not _text(about, "dispute_id"):
        raise Unreadable("a dispute of no payment or amount")
    outcome = about.get("dispute_outcome")
    code = _text(outcome, "outcome_code") if isinstance(outcome, Mapping) else ""
    return Disputed(
        _text(said, "id"),
        _text(about, "dispute_id"),
        reference,
        _OUTCOMES.get(code, "unclear") if ended else "opened",
        minor,
        asset,
        reason=_text(about, "reason"),
    )


def _disputed_capture(dispute: Mapping[str, Any]) -> str:
    listed = dispute.get("disputed_transactions")
    first = listed[0] if isinstance(listed, list) and listed else None
    return _text(first, "seller_transaction_id") if isinstance(first, Mapping) else ""


def _call_id(kind: Kind, about: Mapping[str, Any]) -> str:
    if kind == "payout_item":
        item = about.get("payout_item")
        return _text(item, "sender_item_id") if isinstance(item, Mapping) else ""
    if kind == "order":
        units = about.get("purchase_units")
        first = units[0] if isinstance(units, list) and units else None
        return _text(first, "custom_id") if isinstance(first, Mapping) else ""
    return _text(about, "custom_id")


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value[:_CHARS_MAX] if isinstance(value, str) else ""

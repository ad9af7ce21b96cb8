"""PayPal: orders collect once their payer has approved them, captures are given back, batches of
one item pay out.

An order is no money before we capture it, and its payer cannot approve what no answer has named:
an order without a handle never becomes money.
"""

from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import msgspec

from connectors.base import NOT_APPROVED, Acted, Ambiguous, Asked, Connector, Refused, Result
from connectors.callbacks import Callback, Heard
from connectors.http import Answer
from connectors.paypal import translate
from connectors.paypal.amounts import (
    SUPPORTED,
)
from connectors.paypal.client import CAPTURES, ORDERS, PAYOUTS, REFUNDS, Client, action
from connectors.paypal.config import Config
from connectors.paypal.hearing import Hearing
from connectors.paypal.translate import Wish
from connectors.reading import Unfit, Unreadable
from connectors.tokens import Shelf

ORDER_KEY_LIFETIME_S = 6 * 3600.0
PAYMENT_KEY_LIFETIME_S = 45 * 24 * 3600.0
BATCH_KEY_LIFETIME_S = 30 * 24 * 3600.0
_LIFETIMES_S: Mapping[str, float] = {
    "collect": ORDER_KEY_LIFETIME_S,
    "refund": PAYMENT_KEY_LIFETIME_S,
    "payout": BATCH_KEY_LIFETIME_S,
}
_NOT_BEGUN = Result("failed", failure="not_begun", detail="no payer has seen the order")
_NOT_APPROVED = frozenset({"CREATED", "SAVED", "PAYER_ACTION_REQUIRED"})
_UNDER_WAY = frozenset({"ORDER_ALREADY_CAPTURED", "ORDER_COMPLETION_IN_PROGRESS"})
_TAKEN_BEFORE = "DUPLICATE_SENDER_BATCH_ID"
_read_wish = msgspec.json.Decoder(Wish).decode


class PayPal:
    """One app."""

    name = "paypal"
    operations = frozenset(_LIFETIMES_S)
    capabilities = operations
    actions: frozenset[str] = frozenset()
    doubted = frozenset({"refund", "payout"})  # what was given may come back

    def __init__(self, client: Client, hearing: Hearing) -> None:
        self._client, self._hearing = client, hearing

    public: Mapping[str, str] = {}

    @staticmethod
    def takes(asset: str) -> bool:
        """The currencies that PayPal has; Kenya's shilling is none of them."""
        return asset in SUPPORTED

    def key_lifetime_s(self, asked: Asked) -> float:
        """How long PayPal knows a request id, or a batch's own id."""
        return _LIFETIMES_S[asked.operation]

    async def perform(self, asked: Asked) -> Result:
        """Ask for it; what cannot be asked fails here, unsent."""
        try:
            path, body = _request(asked)
        except Unfit as error:
            return Result("failed", failure=error.reason)
        except (ValueError, LookupError) as error:
            return Result("failed", failure="bad_request", detail=type(error).__name__)
        answer = await self._client.post(path, body, asked.key)
        if asked.operation == "payout":
            return _batch(answer)
        read = translate.order_result if asked.operation == "collect" else translate.refund_result
        return _read(read, _heard(answer))

    async def query(self, asked: Asked) -> Result:
        """How it stands; an order that its payer has approved is captured here."""
        match asked.operation, asked.handle:
            case "collect", "":
                return _NOT_BEGUN
            case "collect", order_id:
                return await self._collected(asked, order_id)
            case "refund", "":
                return await self._refund_found(asked)
            case "refund", refund_id:
                answer = _heard(await self._client.get(REFUNDS, refund_id))
                return _read(translate.refund_result, answer)
            case "payout", "":
                return Result("unknown", detail="no answer named it")
        answer = _heard(await self._client.get(PAYOUTS, asked.handle))
        return _read(translate.batch_result, answer)

    async def end(self, asked: Asked) -> Result:
        """An order that nobody has approved: nobody but we could make money of it."""
        result = await self.query(asked)
        waits = result.outcome == "pending" and result.detail in _NOT_APPROVED
        return Result("failed", result.handle, failure=NOT_APPROVED) if waits else result

    async def act(self, action: str, told_at: str, values: Mapping[str, str]) -> Acted:  # noqa: ARG002
        """Nothing."""
        raise Refused(action, failure="action_unknown")

    async def hear(self, callback: Callback) -> Heard | None:
        """An event of a webhook that PayPal has signed for our listener."""
        return await self._hearing.heard(callback)

    async def _collected(self, asked: Asked, order_id: str) -> Result:
        found = _heard(await self._client.get(ORDERS, order_id))
        result = _read(translate.order_result, found)
        if result.outcome != "pending" or not translate.is_approved(found.body):
            return result
        # One request id for all who capture it: the payer's return and the webhook may meet here.
        path, key = action(ORDERS, order_id, "capture"), f"{asked.key}.capture"
        answer = await self._client.post(path, {}, key)
        issues = translate.issues_of(answer.body) if answer.status == 422 else ()
        if "INSTRUMENT_DECLINED" in issues:
            return Result("failed", order_id, failure="instrument_declined")
        if _UNDER_WAY & set(issues):
            answer = await self._client.get(ORDERS, order_id)
        return _read(translate.order_result, _heard(answer))

    async def _refund_found(self, asked: Asked) -> Result:
        """The refund that no answer named, by its order."""
        capture_id = _read_wish(asked.request).provider_reference
        capture = _heard(await self._client.get(CAPTURES, capture_id))
        order_id = translate.order_of_capture(capture.body)
        if not order_id:
            return Result("unknown", detail="the capture names no order")
        order = _heard(await self._client.get(ORDERS, order_id))
        return _read(lambda body: translate.refund_in_order(body, asked.key), order)


def _request(asked: Asked) -> tuple[str, Mapping[str, Any]]:
    """(path, body) of a call. Raises `Unfit`, ValueError or LookupError."""
    wish = _read_wish(asked.request)
    match asked.operation:
        case "collect":
            back = f"{asked.told_at}/return", f"{asked.told_at}/cancel"
            return ORDERS, translate.order(wish, asked.key, *back)
        case "refund":
            path = action(CAPTURES, wish.provider_reference, "refund")
            return path, translate.refund(wish, asked.key)
        case "payout":
            return PAYOUTS, translate.payout(wish, asked.key)
    raise Unfit("capability_unsupported")


def _batch(answer: Answer) -> Result:
    """A batch that was taken, now or before; it pays by and by."""
    if answer.status >= 400 and _TAKEN_BEFORE not in translate.issues_of(answer.body):
        _heard(answer)
    return _read(lambda body: Result("pending", handle=translate.batch_of(body)), answer)


def _heard(answer: Answer) -> Answer:
    """The answer. Raises `Refused` if it says that the request was not heard, this time."""
    if answer.status < 400:
        return answer
    issues = translate.issues_of(answer.body)
    failure = "not_configured" if answer.status == 403 else (issues[-1:] or ("refused",))[0].lower()
    raise Refused(f"status {answer.status}: {' '.join(issues)}"[:200], failure=failure)


def _read(read: Callable[[bytes], Result], answer: Answer) -> Result:
    try:
        return read(answer.body)
    except Unreadable as error:
        raise Ambiguous("unreadable answer") from error


def build(
    session: aiohttp.ClientSession,
    configuration: Mapping[str, str],
    _shelf: Shelf | None = None,
) -> Connector:
    """The connector for this configuration; ValueError when that is incomplete."""
    config = Config.read(configuration)
    return PayPal(Client(session, config), Hearing(session, config))

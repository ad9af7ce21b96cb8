"""Between our payments and Daraja's JSON, both ways. Pure: no IO, no clock.

Tolerant in what it reads, because the wire is: numbers as text and the reverse, lists of one as an
object, members in any order or missing. Exact in what it takes for money: an amount is judged by
its text, and without M-Pesa's own result code 0 nothing is paid. (Daraja documentation, "M-Pesa
Express", "Customer To Business", "Business To Customer", "Transaction Status".)
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from connectors.base import Result
from connectors.mpesa.codes import (
    PAYOUT_RESULTS,
    PENDING,
    STK_RESULTS,
    Meaning,
    meaning_of,
)
from connectors.mpesa.config import Config
from connectors.mpesa.words import (
    CURRENCY,
    business_of,
    moment_of,
    password,
    phone_of,
    shillings,
    timestamp,
)
from connectors.reading import Unfit, Unreadable, object_of
from streams.money import Amount, BadAmount, parse_minor

REFERENCE_CHARS, DESCRIPTION_CHARS, REMARKS_CHARS = 12, 13, 100
BUSINESS_REFERENCE_CHARS = 13
PAID = "0"
_TEXT_MAX = 200


class Wish(msgspec.Struct, frozen=True):
    """What a journaled call says; `amount` is decimal text."""

    amount: str
    currency: str = CURRENCY
    phone: str = ""
    destination: str = ""
    reference: str = ""
    provider_reference: str = ""


class Ack(msgspec.Struct, frozen=True):
    """M-Pesa has a request, which is not a payment; `handle` is its own id of it."""

    handle: str
    accepted: bool
    detail: str = ""


class StkResult(msgspec.Struct, frozen=True):
    """How an STK push ended, as a callback tells it; the amount in cents, where it is told."""

    handle: str
    code: str
    detail: str
    receipt: str = ""
    minor: int | None = None
    paid_at: datetime | None = None
    phone: str = ""


class Confirmation(msgspec.Struct, frozen=True):
    """Money that came to the short code: C2B. It has been received, whatever we think of it."""

    receipt: str
    short_code: str
    minor: int
    bill_reference: str
    paid_at: datetime | None
    payer: str
    """A hash, a mask, or a number: for people to read, never a key."""


class AsyncResult(msgspec.Struct, frozen=True):
    """How a payout, reversal or query ended; `parameters` are its pairs, as text."""

    originator_id: str
    conversation_id: str
    code: str
    detail: str
    receipt: str
    parameters: Mapping[str, str]


class ToldAt(NamedTuple):
    """Where M-Pesa tells how a payout ended, or that it was not taken in time."""

    result_url: str
    timeout_url: str


# -- to M-Pesa ------------------------------------------------------------------------------------


def stk_push(config: Config, wish: Wish, at: datetime, callback_url: str) -> dict[str, Any]:
    """The body of an STK push. Raises `Unfit`, BadAmount or LookupError for what cannot be asked.

    Parties are numbers: text has been seen to fail without a word.
    """
    phone, moment = int(phone_of(wish.phone)), timestamp(at)
    return {
        "BusinessShortCode": int(config.short_code),
        "Password": password(config.short_code, config.passkey, moment),
        "Timestamp": moment,
        "TransactionType": config.transaction_type,
        "Amount": _whole(wish),
        "PartyA": phone,
        "PartyB": int(config.till or config.short_code),
        "PhoneNumber": phone,
        "CallBackURL": callback_url,
        "AccountReference": _words(wish.reference, REFERENCE_CHARS) or "payment",
        "TransactionDesc": "payment"[:DESCRIPTION_CHARS],
    }


def stk_query(config: Config, handle: str, at: datetime) -> dict[str, Any]:
    """The body of a question about an STK push."""
    moment = timestamp(at)
    return {
        "BusinessShortCode": int(config.short_code),
        "Password": password(config.short_code, config.passkey, moment),
        "Timestamp": moment,
        "CheckoutRequestID": handle,
    }


def b2c_payment(
    config: Config, wish: Wish, key: str, credential: str, told_at: ToldAt
) -> dict[str, Any]:
    """The body of a payout to a telephone. Raises as `stk_push`.

    Version 3 bears an OriginatorConversationID, ours; each version has its own spelling of the
    last member.
    """
    latest = config.b2c_version == "v3"
    return {
        **({"OriginatorConversationID": key} if latest else {}),
        "InitiatorName": config.initiator,
        "SecurityCredential": credential,
        "CommandID": "BusinessPayment",
        "Amount": _whole(wish),
        "PartyA": int(config.short_code),
        "PartyB": int(phone_of(wish.destination)),
        "Remarks": (_words(wish.reference, REMARKS_CHARS) or "payout").ljust(2, "."),
        "QueueTimeOutURL": told_at.timeout_url,
        "ResultURL": told_at.result_url,
        "Occassion" if latest else "Occasion": "",
    }


def b2b_payment(config: Config, wish: Wish, credential: str, told_at: ToldAt) -> dict[str, Any]:
    """The body of a payout to a till or a paybill. Raises as `stk_push`.

    It bears no id of ours. One member is misspelt by M-Pesa, and another in a way of its own.
    """
    business = business_of(wish.destination)
    if business is None:
        raise Unfit("destination_unfit")
    return {
        "Initiator": config.initiator,
        "SecurityCredential": credential,
        "CommandID": "BusinessBuyGoods" if business.is_till else "BusinessPayBill",
        "SenderIdentifierType": "4",
        "RecieverIdentifierType": "2" if business.is_till else "4",
        "Amount": _whole(wish),
        "PartyA": int(config.short_code),
        "PartyB": int(business.number),
        "AccountReference": _words(business.account, BUSINESS_REFERENCE_CHARS),
        "Remarks": (_words(wish.reference, REMARKS_CHARS) or "payout").ljust(2, "."),
        "QueueTimeOutURL": told_at.timeout_url,
        "ResultURL": told_at.result_url,
        "Occassion": "",
    }


def reversal(config: Config, wish: Wish, credential: str, told_at: ToldAt) -> dict[str, Any]:
    """The body of a reversal of what was received under a receipt. Raises as `stk_push`."""
    if not wish.provider_reference:
        raise Unfit("receipt_unknown")
    return {
        "Initiator": config.initiator,
        "SecurityCredential": credential,
        "CommandID": "TransactionReversal",
        "TransactionID": wish.provider_reference,
        "Amount": _whole(wish),
        "ReceiverParty": int(config.short_code),
        "RecieverIdentifierType": "11",
        "ResultURL": told_at.result_url,
        "QueueTimeOutURL": told_at.timeout_url,
        "Remarks": (_words(wish.reference, REMARKS_CHARS) or "refund").ljust(2, "."),
        "Occasion": "",
    }


def status_query(config: Config, handle: str, credential: str, told_at: ToldAt) -> dict[str, Any]:
    """The body of a question about a payout or a reversal, by its conversation; told later."""
    return {
        "Initiator": config.initiator,
        "SecurityCredential": credential,
        "CommandID": "TransactionStatusQuery",
        "OriginalConversationID": handle,
        "PartyA": int(config.short_code),
        "IdentifierType": "4",
        "ResultURL": told_at.result_url,
        "QueueTimeOutURL": told_at.timeout_url,
        "Remarks": "status",
        "Occasion": "",
    }


def _whole(wish: Wish) -> int:
    if wish.currency != CURRENCY:
        raise Unfit("currency_unsupported")
    return shillings(parse_minor(wish.amount, 2))


def _words(text: str, chars: int) -> str:
    """Letters, digits and spaces: what is shown on a telephone, and refused by nobody."""
    kept = "".join(char if char.isascii() and char.isalnum() else " " for char in text)
    return " ".join(kept.split())[:chars].strip()


# -- from M-Pesa: answers -------------------------------------------------------------------------


def ack_of(body: bytes) -> Ack:
    """What M-Pesa answers to a request it has taken. Raises `Unreadable`.

    Code 0 says that it was taken and nothing more. Both spellings of a misspelt member are read.
    """
    said = object_of(body)
    code = _text(said, "ResponseCode")
    handle = next(
        (
            found
            for name in (
                "CheckoutRequestID",
                "ConversationID",
                "OriginatorCoversationID",
                "OriginatorConversationID",
            )
            if (found := _text(said, name))
        ),
        "",
    )
    if not code:
        raise Unreadable("no ResponseCode")
    return Ack(handle, code == PAID, _text(said, "ResponseDescription"))


def error_of(body: bytes) -> tuple[str, str]:
    """(errorCode, errorMessage) of an error envelope; empty where there is none."""
    try:
        said = object_of(body)
    except Unreadable:
        return "", ""
    return _text(said, "errorCode"), _text(said, "errorMessage")


def query_result(body: bytes) -> Result:
    """What an STK query says. A success names no receipt: that comes by another way.

    Raises `Unreadable`.
    """
    said = object_of(body)
    code = _text(said, "ResultCode")
    if not code or code == PENDING:
        return Result("pending", detail=_text(said, "ResultDesc"))
    if code == PAID:
        return Result("succeeded", detail=_text(said, "ResultDesc"))
    return failed(meaning_of(STK_RESULTS, code), code, _text(said, "ResultDesc"))


def failed(meaning: Meaning, code: str, detail: str) -> Result:
    """A failure with its word, and M-Pesa's own code and words for people."""
    return Result("failed", failure=meaning.failure, detail=f"{code}: {detail}"[:_TEXT_MAX])


def _not_paid(results: Mapping[str, Meaning], code: str, detail: str) -> Result:
    """As `failed`; pending where M-Pesa may have done it all the same."""
    meaning = meaning_of(results, code)
    said = failed(meaning, code, detail)
    return Result("pending", detail=said.detail) if meaning.ask_first else said


# -- from M-Pesa: callbacks -----------------------------------------------------------------------


def stk_callback(body: bytes) -> StkResult:
    """How an STK push ended. Raises `Unreadable`."""
    told = _member(_member(object_of(body), "Body"), "stkCallback")
    handle, code = _text(told, "CheckoutRequestID"), _text(told, "ResultCode")
    if not handle or not code:
        raise Unreadable("no CheckoutRequestID or ResultCode")
    items = _pairs(_optional(told, "CallbackMetadata").get("Item"), "Name")
    return StkResult(
        handle,
        code,
        _text(told, "ResultDesc"),
        _text(items, "MpesaReceiptNumber"),
        _minor(items.get("Amount")),
        moment_of(_text(items, "TransactionDate")),
        _text(items, "PhoneNumber"),
    )


def result_of(told: StkResult) -> Result:
    """A callback's word: paid only with code 0, a receipt and an amount.

    Some failures are told although the payer has paid: those are pending, until a query says more.
    """
    if told.code != PAID:
        return _not_paid(STK_RESULTS, told.code, told.detail)
    if not told.receipt or told.minor is None:
        return Result("pending", detail="success without a receipt or an amount")
    return Result("succeeded", told.receipt, told.minor, CURRENCY, detail=told.detail)


def c2b_confirmation(body: bytes) -> Confirmation:
    """Money that came. Raises `Unreadable` for what names no receipt, short code or amount."""
    said = object_of(body)
    receipt, short_code = _text(said, "TransID"), _text(said, "BusinessShortCode")
    minor = _minor(said.get("TransAmount"))
    if not receipt or not short_code or minor is None or minor <= 0:
        raise Unreadable("no TransID, BusinessShortCode or TransAmount")
    return Confirmation(
        receipt,
        short_code,
        minor,
        _text(said, "BillRefNumber"),
        moment_of(_text(said, "TransTime")),
        _text(said, "MSISDN"),
    )


def async_result(body: bytes) -> AsyncResult:
    """How a payout, reversal or query ended. Raises `Unreadable`."""
    told = _member(object_of(body), "Result")
    code = _text(told, "ResultCode")
    if not code:
        raise Unreadable("no ResultCode")
    found = _pairs(_optional(told, "ResultParameters").get("ResultParameter"), "Key")
    return AsyncResult(
        _text(told, "OriginatorConversationID"),
        _text(told, "ConversationID"),
        code,
        _text(told, "ResultDesc"),
        _text(told, "TransactionID"),
        {name: _text(found, name) for name in found},
    )


def payout_result(told: AsyncResult) -> Result:
    """What the result of a payout means."""
    if told.code != PAID:
        return _not_paid(PAYOUT_RESULTS, told.code, told.detail)
    receipt = told.parameters.get("TransactionReceipt") or told.receipt
    if not receipt:
        return Result("pending", detail="success without a receipt")
    amount = told.parameters.get("TransactionAmount") or told.parameters.get("Amount")
    minor = _minor(amount)
    asset = CURRENCY if minor is not None else ""
    return Result("succeeded", receipt, minor, asset, detail=told.detail)


def reversal_result(told: AsyncResult) -> Result:
    """What the result of a reversal means."""
    if told.code != PAID:
        return _not_paid(PAYOUT_RESULTS, told.code, told.detail)
    if not told.receipt:
        return Result("pending", detail="success without a receipt")
    minor = _minor(told.parameters.get("Amount"))
    asset = CURRENCY if minor is not None else ""
    return Result("succeeded", told.receipt, minor, asset, detail=told.detail)


def status_result(told: AsyncResult) -> Result:
    """What the answer to a status query says of the transaction that was asked about.

    Code 0 says that the query worked; the transaction's state is a member of its own. States that
    are not documented are pending.
    """
    state = told.parameters.get("TransactionStatus", "")
    if told.code != PAID or state not in {"Completed", "Failed"}:
        return Result("pending", detail=f"{told.code}: {state or told.detail}"[:_TEXT_MAX])
    if state == "Failed":
        return Result("failed", failure="failed", detail=state)
    receipt = told.parameters.get("ReceiptNo", "")
    minor = _minor(told.parameters.get("Amount"))
    if not receipt or minor is None:
        return Result("pending", detail="completed without a receipt or an amount")
    return Result("succeeded", receipt, minor, CURRENCY, detail=state)


# -- reading --------------------------------------------------------------------------------------


def _member(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name)
    if not isinstance(found, Mapping):
        raise Unreadable(f"no {name}")
    return found


def _optional(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name)
    return found if isinstance(found, Mapping) else {}


def _pairs(items: object, name: str) -> Mapping[str, Any]:
    """A list of names and values, or one of them alone; of a name said twice the first counts."""
    found: dict[str, Any] = {}
    for item in items if isinstance(items, list) else [items]:
        if isinstance(item, Mapping) and isinstance(item.get(name), str):
            found.setdefault(item[name], item.get("Value"))
    return found


def _text(said: Mapping[str, Any], name: str) -> str:
    """A member as text, whether it came as text or as a number; empty for anything else."""
    value = said.get(name)
    if isinstance(value, Amount):
        return value.text
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()[:_TEXT_MAX]


def _minor(value: object) -> int | None:
    """Cents of an amount, as number or text; None for what is none, or has parts of a cent."""
    text = value.text if isinstance(value, Amount) else value
    if isinstance(text, bool) or not isinstance(text, str | int):
        return None
    try:
        return parse_minor(str(text).strip(), 2)
    except BadAmount:
        return None

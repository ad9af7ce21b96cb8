"""Between our payouts and KCB's JSON, both ways. Pure: no IO, no clock.

Tolerant in what it reads, because the wire is. Exact in what it takes for money: an answer says
that a transfer was taken and no more, and only an explicit final status ends it. (KCB
documentation, "Funds transfer", "Instant payment notification".)
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal, NamedTuple

import msgspec

from connectors.base import Result
from connectors.buni.config import Config, Way
from connectors.buni.words import CURRENCY, KCB_CODE, account_of
from connectors.reading import Unfit, Unreadable, object_of
from streams.ids import valid_id
from streams.money import Amount, BadAmount, exponent_of, json_number, parse_minor

DETAILS_CHARS = 35
TEXT_MAX = 200
EAT = timezone(timedelta(hours=3), "EAT")
"""East Africa Time, without daylight saving; never the machine's own zone."""
_MOMENTS = ("%Y%m%d%H%M%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%a %b %d %H:%M:%S EAT %Y")


class Wish(msgspec.Struct, frozen=True):
    """What a journaled call says; `amount` is decimal text, `payee` whose account it is."""

    amount: str
    currency: str = CURRENCY
    destination: str = ""
    reference: str = ""
    payee: str = ""


class Payee(NamedTuple):
    """An account that is paid, and how: "IF" is within KCB."""

    way: Literal["IF"] | Way
    bank_code: str
    account: str


class Notice(NamedTuple):
    """Money that came, as KCB tells it; the amount in minor units, `biller` who was paid."""

    receipt: str
    biller: str
    minor: int
    asset: str
    reference: str
    payer: str
    is_debit: bool
    paid_at: datetime | None


class Ended(NamedTuple):
    """How a transfer ended: the call's id is ours, `handle` is KCB's own name of it."""

    call_id: str
    handle: str
    debited: str
    result: Result


# -- to KCB ---------------------------------------------------------------------------------------


def transfer(config: Config, wish: Wish, call_id: str) -> dict[str, Any]:
    """The body of a transfer. Raises `Unfit`, BadAmount or LookupError for what cannot be asked.

    KCB tells how it ended where it was told to at onboarding: the body names no address.
    """
    if wish.currency != CURRENCY:
        raise Unfit("currency_unsupported")
    minor = parse_minor(wish.amount, exponent_of(CURRENCY))
    if minor <= 0:
        raise Unfit("amount_out_of_bounds")
    payee = payee_of(wish.destination, config.other_banks)
    return {
        "companyCode": config.company_code,
        "transactionType": payee.way,
        "debitAccountNumber": config.account,
        "creditAccountNumber": payee.account,
        "debitAmount": json_number(minor, CURRENCY),
        "paymentDetails": _words(wish.reference) or "payout",
        "transactionReference": call_id,
        "currency": CURRENCY,
        "beneficiaryDetails": _words(wish.payee) or payee.account,
        "beneficiaryBankCode": payee.bank_code,
    }


def payee_of(destination: str, other_banks: Way) -> Payee:
    """The account of `bank:ACCOUNT`, at KCB, or `bank:CODE/ACCOUNT`, at the bank of that code.

    Raises `Unfit` for any other: KCB's own word for a telephone is not known here.
    """
    found = account_of(destination)
    if found is None:
        raise Unfit("destination_unfit")
    code, account = found
    return Payee("IF" if code == KCB_CODE else other_banks, code, account)


def _words(text: str) -> str:
    """Letters, digits and spaces: what stands on a statement, and is refused by nobody."""
    kept = "".join(char if char.isascii() and char.isalnum() else " " for char in text)
    return " ".join(kept.split())[:DETAILS_CHARS].strip()


def reply(body: bytes) -> bytes:
    """What KCB is answered whose notification was taken, now or before."""
    said = object_of(body)
    header, notice = _optional(said, "header"), _notice(said)
    answer = {
        "header": {
            "messageID": text_of(header, "messageID"),
            "originatorConversationID": text_of(header, "originatorConversationID"),
            "statusCode": "0",
            "statusMessage": "Notification received",
        },
        "responsePayload": {"transactionInfo": {"transactionId": text_of(notice, "transactionID")}},
    }
    return msgspec.json.encode(answer)


# -- from KCB -------------------------------------------------------------------------------------


def ack_of(body: bytes) -> tuple[str, str, str]:
    """(statusCode, KCB's name of the transfer, words) of an answer. Raises `Unreadable`."""
    said = object_of(body)
    code = text_of(said, "statusCode")
    if not code:
        raise Unreadable("no statusCode")
    words = text_of(said, "statusDescription") or text_of(said, "statusMessage")
    return code, text_of(said, "merchantID"), words


def ended_of(body: bytes) -> Ended:
    """How a transfer ended. Raises `Unreadable` for what names no call of ours."""
    said = object_of(body)
    call_id = text_of(said, "transactionReference")
    if not valid_id(call_id):
        raise Unreadable("no transactionReference")
    handle = text_of(said, "merchantId")
    return Ended(call_id, handle, text_of(said, "debitAccountNumber"), _result(said))


def _result(said: Mapping[str, Any]) -> Result:
    """Paid only with SUCCESS, KCB's reference and an amount; any word but FAILED is pending."""
    status, words = text_of(said, "transactionStatus"), text_of(said, "transactionMessage")
    detail = f"{status}: {words}"[:TEXT_MAX]
    if status.upper() == "FAILED":
        return Result("failed", failure="failed", detail=detail)
    receipt = text_of(said, "ftReference")
    if status.upper() != "SUCCESS" or not receipt:
        return Result("pending", detail=detail)
    try:
        minor = minor_of(said.get("amount"), CURRENCY)
    except Unreadable:
        minor = 0
    if minor <= 0:
        return Result("pending", detail="success without an amount")
    return Result("succeeded", receipt, minor, CURRENCY, detail=detail)


def notice_of(body: bytes) -> Notice:
    """Money that came. Raises `Unreadable` for what names no transaction, currency or amount."""
    said = object_of(body)
    notice = _notice(said)
    receipt, asset = text_of(notice, "transactionID"), text_of(notice, "currency")
    minor = minor_of(notice.get("transactionAmt"), asset)
    if not receipt or minor <= 0:
        raise Unreadable("no transactionID, or an amount that is not above zero")
    names = (text_of(notice, name) for name in ("firstName", "middleName", "lastName"))
    return Notice(
        receipt,
        text_of(_optional(_optional(said, "requestPayload"), "primaryData"), "businessKey"),
        minor,
        asset,
        text_of(notice, "businessKey") or text_of(notice, "narration"),
        " ".join(filter(None, names)) or text_of(notice, "debitMSISDN"),
        text_of(notice, "transactionType").lower() in {"d", "debit"},
        moment_of(text_of(notice, "transactionDate")),
    )


def _notice(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The notification inside its envelopes."""
    additional = _optional(_optional(said, "requestPayload"), "additionalData")
    return _optional(additional, "notificationData")


# -- reading --------------------------------------------------------------------------------------


def moment_of(text: str) -> datetime | None:
    """The instant (UTC) of a date and time of East Africa's clock; None if it is none, or a day."""
    for form in _MOMENTS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=EAT).astimezone(UTC)
        except ValueError:
            continue
    return None


def minor_of(value: object, asset: str) -> int:
    """Minor units of an amount, which comes as a number or as text. Raises `Unreadable`."""
    text = value.text if isinstance(value, Amount) else value
    if isinstance(text, bool) or not isinstance(text, int | str):
        raise Unreadable("no amount")
    try:
        return parse_minor(str(text).strip(), exponent_of(asset))
    except (BadAmount, LookupError):
        raise Unreadable("an invalid amount") from None


def text_of(said: Mapping[str, Any], name: str) -> str:
    """A member as text without the spaces around it, a whole number as it is written; or empty."""
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()[:TEXT_MAX]


def _optional(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name)
    return found if isinstance(found, Mapping) else {}

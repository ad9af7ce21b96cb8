"""Between our questions and Jenga's JSON, both ways. Pure: no IO, no clock.

Tolerant in what it reads, because the wire is: numbers as text and the reverse, references with a
space before them. Exact in what it takes for money. (Jenga documentation, "Account balance",
"Account alerts", "Instant payment notifications".)
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal, NamedTuple

from connectors.callbacks import Funds
from connectors.jenga.config import Config
from connectors.reading import Unreadable, object_of
from streams.money import Amount, BadAmount, exponent_of, parse_minor

ACCOUNTS = "/v3-apis/account-api/v3.0/accounts"
EAT = timezone(timedelta(hours=3), "EAT")
"""East Africa Time, without daylight saving; never the machine's own zone."""
TEXT_MAX = 200
_SIDES: Mapping[str, Literal["in", "out"]] = {
    "c": "in",
    "credit": "in",
    "d": "out",
    "debit": "out",
}


class Question(NamedTuple):
    """One request: where to, what of it is signed, and its body if it has one."""

    path: str
    signed: str
    body: Mapping[str, Any] | None = None


class Alert(NamedTuple):
    """A booking on an account of ours, or a payment on its way there; the amount in minor units."""

    side: Literal["in", "out"]
    succeeded: bool
    receipt: str
    account: str
    minor: int
    asset: str
    reference: str
    payer: str
    day: str
    paid_at: datetime | None


# -- to Jenga -------------------------------------------------------------------------------------


def balance_question(config: Config) -> Question:
    """What the account has."""
    country, account = config.country_code, config.account
    return Question(f"{ACCOUNTS}/balances/{country}/{account}", f"{country}{account}")


# -- from Jenga -----------------------------------------------------------------------------------


def token_of(body: bytes) -> tuple[str, int]:
    """A token and its life in seconds. Raises `Unreadable`.

    `expiresIn` is a number of seconds, or the instant of its end beside that of its beginning.
    """
    said = object_of(body)
    token, lives = text_of(said, "accessToken"), text_of(said, "expiresIn")
    if not token:
        raise Unreadable("no accessToken")
    if lives.isascii() and lives.isdigit():
        return said["accessToken"], int(lives[:9])
    try:
        began, ends = (datetime.fromisoformat(text_of(said, n)) for n in ("issuedAt", "expiresIn"))
        return said["accessToken"], int((ends - began).total_seconds())
    except (ValueError, TypeError):
        raise Unreadable("no expiresIn") from None


def data_of(body: bytes) -> Mapping[str, Any]:
    """The data of an answer that says of itself that it is one. Raises `Unreadable`."""
    said = object_of(body)
    if not is_success(said):
        raise Unreadable("no success")
    data = said.get("data")
    if not isinstance(data, Mapping):
        raise Unreadable("no data")
    return data


def is_success(said: Mapping[str, Any]) -> bool:
    """Whether an envelope is of an answer: status true, and code 0 if there is one."""
    return said.get("status") is True and text_of(said, "code") in {"", "0"}


def refusal_of(body: bytes) -> str:
    """Code and words of an envelope that says no; empty where there is none, or it says yes."""
    try:
        said = object_of(body)
    except Unreadable:
        return ""
    if is_success(said) or "status" not in said:
        return ""
    return f"{text_of(said, 'code')}: {text_of(said, 'message')}"[:TEXT_MAX]


def funds_of(body: bytes, account: str) -> Funds:
    """What an account has, and what of it is free. Raises `Unreadable` unless both are told."""
    data = data_of(body)
    asset, listed = text_of(data, "currency"), data.get("balances")
    found: dict[str, int] = {}
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, Mapping):
            found[text_of(each, "type").lower()] = minor_of(each.get("amount"), asset)
    if not {"current", "available"} <= set(found):
        raise Unreadable("no current or available balance")
    return Funds(account, asset, found["current"], found["available"])


def alert_of(body: bytes, currency: str) -> Alert:
    """A booking or payment that Jenga tells of. Raises `Unreadable` for what leaves money open.

    `currency` is what the amount is in if the message does not say it.
    """
    said = object_of(body)
    if text_of(said, "callbackType") not in {"ALT", "IPN"}:
        raise Unreadable("another callbackType")
    transaction, bank = _member(said, "transaction"), _member(said, "bank")
    customer = said.get("customer")
    customer = customer if isinstance(customer, Mapping) else {}
    receipt = text_of(bank, "reference") or text_of(transaction, "reference")
    account, status = text_of(bank, "account"), text_of(transaction, "status").upper()
    if not receipt or not account:
        raise Unreadable("no reference or account")
    if status not in {"SUCCESS", "FAILED"}:
        raise Unreadable("another status")
    asset = text_of(transaction, "currency") or currency
    minor = minor_of(transaction.get("amount"), asset)
    if minor <= 0:
        raise Unreadable("an amount that is not above zero")
    return Alert(
        side_of(text_of(bank, "transactionType")),
        status == "SUCCESS",
        receipt,
        account,
        minor,
        asset,
        _reference(transaction, customer, receipt),
        text_of(customer, "name") or text_of(customer, "mobileNumber"),
        text_of(transaction, "date")[:10],
        moment_of(text_of(transaction, "date")),
    )


def _reference(transaction: Mapping[str, Any], customer: Mapping[str, Any], receipt: str) -> str:
    """What the payer wrote: a bill number, unless that is only the bank's own reference again."""
    bill = text_of(transaction, "billNumber")
    return text_of(customer, "reference") if bill in {"", receipt} else bill


# -- reading --------------------------------------------------------------------------------------


def side_of(word: str) -> Literal["in", "out"]:
    """Whether money came or went. Raises `Unreadable`."""
    side = _SIDES.get(word.lower())
    if side is None:
        raise Unreadable("neither a credit nor a debit")
    return side


def moment_of(text: str) -> datetime | None:
    """The instant (UTC) of a date and time of East Africa's clock; None if it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=EAT)).astimezone(UTC)


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
    """A member as text without the spaces around it; numbers as they are written, else empty."""
    value = said.get(name)
    if isinstance(value, Amount):
        return value.text
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()[:TEXT_MAX]


def _member(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name)
    if not isinstance(found, Mapping):
        raise Unreadable(f"no {name}")
    return found

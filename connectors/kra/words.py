"""KRA's own small languages: PINs, branches, times in Nairobi, kinds of tax, ways of payment.

Pure. Sources: eTIMS OSCU specification (code tables "Taxation Type", "Payment Method"), GavaConnect
documentation, VAT Act 2013.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone

from connectors.reading import Unfit

EAT = timezone(timedelta(hours=3), "EAT")
"""East Africa Time, without daylight saving; never the machine's own zone."""
CURRENCY, DECIMALS = "KES", 2
HEAD_OFFICE = "00"
RATES: Mapping[str, int] = {"A": 0, "B": 16, "C": 0, "D": 0, "E": 8}
"""Letter of a kind of tax to its rate in percent, in the order of the wire."""
LETTERS: Mapping[str, str] = {"standard": "B", "zero": "C", "exempt": "A", "non_vat": "D"}
"""How a line is treated, and the letter of that. E (8 %, fuels) has no treatment here."""
PAYMENTS: Mapping[str, str] = {
    "cash": "01",
    "credit": "02",
    "mixed": "03",
    "card": "05",
    "mobile_money": "06",
    "other": "07",
}
_pin = re.compile(r"[AP][0-9]{9}[A-Z]").fullmatch
_branch = re.compile(r"[0-9]{2}").fullmatch
_day = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_moment = re.compile(r"[0-9]{14}").fullmatch


def pin_of(text: str) -> str:
    """A PIN: A (a person) or P (a company), nine digits, a letter. Raises `Unfit` for any other.

    No rule for the last letter is published, so that it is not checked.
    """
    pin = text.strip().upper()
    if not _pin(pin):
        raise Unfit("pin_unfit")
    return pin


def branch_of(text: str) -> str:
    """A branch: two digits. Raises `Unfit` for any other."""
    if not (text.isascii() and _branch(text)):
        raise Unfit("branch_unfit")
    return text


def timestamp(at: datetime) -> str:
    """An instant as fourteen digits of Nairobi's clock."""
    return at.astimezone(EAT).strftime("%Y%m%d%H%M%S")


def instant_of(digits: str) -> str:
    """The instant (RFC 3339, UTC) of fourteen digits of Nairobi's clock; empty if they are none."""
    if not (digits.isascii() and _moment(digits)):
        return ""
    try:
        at = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=EAT)
    except ValueError:
        return ""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_of(text: str) -> date:
    """A day, as in 2026-03-01. Raises `Unfit`."""
    if not (text.isascii() and _day(text)):
        raise Unfit("day_unfit")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Unfit("day_unfit") from None

"""M-Pesa's own small languages: times in East Africa, telephone numbers, whole shillings.

Pure. Sources: Daraja documentation ("M-Pesa Express", "B2C"), Communications Authority of Kenya
(numbering plan).
"""

import base64
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from connectors.reading import Unfit

EAT = timezone(timedelta(hours=3), "EAT")
"""East Africa Time, without daylight saving; never the machine's own zone."""
CURRENCY = "KES"
LEAST_SHILLINGS, MOST_SHILLINGS = 1, 250_000
"""Bounds of one transaction."""
_MINOR = 100
_phone = re.compile(r"254[17][0-9]{8}").fullmatch
_separators = re.compile(r"[\s()-]")
_business = re.compile(r"till:([0-9]{5,12})|paybill:([0-9]{5,7})/([A-Za-z0-9 ._-]{1,13})").fullmatch
_moment = re.compile(r"[0-9]{14}").fullmatch


def timestamp(at: datetime) -> str:
    """An instant as fourteen digits of East Africa's clock."""
    return at.astimezone(EAT).strftime("%Y%m%d%H%M%S")


def moment_of(digits: str) -> datetime | None:
    """The instant (UTC) of fourteen digits of East Africa's clock; None if they are none."""
    if not _moment(digits):
        return None
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=EAT).astimezone(UTC)
    except ValueError:
        return None


def password(short_code: str, passkey: str, at: str) -> str:
    """The password of an STK request: short code, passkey and its own timestamp, in base64."""
    return base64.b64encode(f"{short_code}{passkey}{at}".encode()).decode()


def phone_of(text: str) -> str:
    """A telephone number as 2547XXXXXXXX or 2541XXXXXXXX. Raises `Unfit` for any other.

    Taken are 07…, 01…, +254…, 254… and nine bare digits, with spaces, dashes and brackets. No
    operator's prefix is looked at: they change.
    """
    digits = _separators.sub("", text.strip()).removeprefix("+")
    if digits.startswith("0"):
        digits = f"254{digits[1:]}"
    elif len(digits) == 9:
        digits = f"254{digits}"
    if not (digits.isascii() and _phone(digits)):
        raise Unfit("phone_unfit")
    return digits


class Business(NamedTuple):
    """A till or a paybill that is paid; `account` is what a paybill knows its customers by."""

    is_till: bool
    number: str
    account: str = ""


def business_of(destination: str) -> Business | None:
    """The business of `till:NUMBER` or `paybill:NUMBER/ACCOUNT`; None for a telephone.

    Raises `Unfit` for an invalid till or paybill.
    """
    if not destination.startswith(("till:", "paybill:")):
        return None
    read = _business(destination)
    if read is None:
        raise Unfit("destination_unfit")
    return Business(True, read[1]) if read[1] else Business(False, read[2], read[3])


def shillings(minor: int) -> int:
    """Whole shillings of an amount in cents. Raises `Unfit`: nothing is rounded.

    M-Pesa moves whole shillings, 1 to 250,000 at a time.
    """
    whole, cents = divmod(minor, _MINOR)
    if cents:
        raise Unfit("whole_shillings_only")
    if not LEAST_SHILLINGS <= whole <= MOST_SHILLINGS:
        raise Unfit("amount_out_of_bounds")
    return whole

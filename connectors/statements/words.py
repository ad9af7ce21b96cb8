"""Text, amounts and days as banks write them, read exactly or refused. Pure."""

import codecs
import re
from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache

from connectors.statements.base import BadStatement
from streams.money import BadAmount, UnknownAsset, exponent_of, parse_minor

_DECIMAL = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?").fullmatch
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)])
_NAMELESS = frozenset({"NOTPROVIDED", "NONREF", "NOREF", "NONE", "NULL", "NA", "N/A"})


def decoded(body: bytes) -> str:
    """The text that bytes are, whatever their header says; lines end in one way.

    What is not UTF-8 is hardly ever valid UTF-8 by chance, so it is tried first; what banks write
    besides is cp1252. Raises `BadStatement`.
    """
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return as_lines(strictly(body, "utf-16"))
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return as_lines(body.decode(encoding))
        except UnicodeDecodeError:
            continue
    return as_lines(body.decode("iso-8859-1"))


def strictly(body: bytes, encoding: str) -> str:
    """The text of bytes whose encoding is known. Raises `BadStatement`."""
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        raise BadStatement("bad_encoding", detail=f"these bytes are no {encoding}") from None


def as_lines(text: str) -> str:
    """The text with one kind of line end. Raises `BadStatement` for what is no text."""
    if "\x00" in text:
        raise BadStatement("not_text", text.count("\n", 0, text.index("\x00")) + 1, "a NUL byte")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def lines_of(text: str) -> Iterator[str]:
    """Its lines, each with its end, and no copy of the whole."""
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        yield text[at:end]
        at = end


def squeezed(text: str) -> str:
    """Words with one space between them, and nothing that cannot be seen."""
    if " " not in text and text.isprintable():
        return text
    words = " ".join(text.split())
    return words if words.isprintable() else words.translate(_CONTROLS)


def named(reference: str) -> str:
    """A squeezed reference, or "" where a bank says in its way that there is none."""
    if reference.upper().replace(" ", "") in _NAMELESS or not reference.strip("0"):
        return ""
    return reference


def minor_of(text: str, asset: str, number: int, *, by_hand: bool = False) -> int:
    """Minor units of decimal text with a point. Raises `BadStatement` at line `number`.

    Where no standard says what the point is (`by_hand`), three decimals of a currency that has
    fewer are refused even if they are zeros: 1.000 may well be a thousand.
    """
    match = _DECIMAL(text)
    sign, whole, fraction = match.groups("") if match else ("", "", "")
    if not whole + fraction:
        raise BadStatement("bad_amount", number, "not an amount")
    exponent = decimals_of(asset, number)
    if by_hand and len(fraction) == 3 > exponent:
        raise BadStatement("too_many_decimals", number, f"three decimals of {asset}")
    plain = f"{'-' if sign == '-' else ''}{whole.lstrip('0') or '0'}.{fraction or '0'}"
    try:
        return parse_minor(plain, exponent)
    except BadAmount as error:
        raise BadStatement(error.reason, number, f"an amount of {asset}") from None


def decimals_of(asset: str, number: int = 0) -> int:
    """Decimals of a currency's minor unit. Raises `BadStatement`."""
    try:
        return exponent_of(asset)
    except UnknownAsset:
        raise BadStatement("unknown_asset", number, "no currency with a minor unit") from None


def day_of(parts: Iterable[str], number: int) -> str:
    """The ISO date of a year, a month and a day. Raises `BadStatement` if no calendar has it."""
    found = calendar_day(*map(int, parts))
    if found is None:
        raise BadStatement("bad_day", number, "no such day")
    return found.isoformat()


@lru_cache(maxsize=1_024)
def calendar_day(year: int, month: int, day: int) -> date | None:
    """The date, or None if no calendar has it."""
    try:
        return date(year, month, day)
    except ValueError:
        return None

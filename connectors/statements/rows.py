"""Statements as rows of CSV, by a mapping of their columns. Pure.

Every bank has its own columns, so that nothing is guessed: a row that does not say what the mapping
promises is refused with its line, also one that is a total or a balance brought forward.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from connectors.statements.base import BadStatement, Line, Statement, proved
from connectors.statements.words import (
    as_lines,
    decimals_of,
    decoded,
    lines_of,
    minor_of,
    named,
    squeezed,
    strictly,
)

ENCODINGS = frozenset({"utf-8", "utf-16", "cp1252", "iso-8859-1", "iso-8859-15"})
_GROUPING = {".": ",", ",": "."}
"""By decimal mark: what else may stand between thousands, besides a space or an apostrophe."""
_SAMPLE = datetime(2025, 12, 31, tzinfo=UTC)
_MAX_PREAMBLE = 1_000


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bank's CSV says what; a column is its name in the header, or its index from 0.

    `amount` is one signed column; `debit` and `credit` are two, without signs, of which a row has
    one. "" is a column that the file does not have.
    """

    account: str
    """The account that the file is about: it names none."""
    asset: str
    day: str | int
    amount: str | int = ""
    debit: str | int = ""
    credit: str | int = ""
    value_day: str | int = ""
    reference: str | int = ""
    receipt: str | int = ""
    text: str | int = ""
    party: str | int = ""
    bank_reference: str | int = ""
    balance: str | int = ""
    """The balance after each row; if it is named, every row is proved by it."""
    day_format: str = "%Y-%m-%d"
    """A pattern of strptime."""
    delimiter: str = ","
    decimal_mark: str = "."
    header: bool = True
    """Whether a row of names comes before the rows."""
    preamble: int = 0
    """Rows above all of that which are none; empty ones are not counted."""
    encoding: str = ""
    """One of `ENCODINGS`; "" to find out."""


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    cells: list[str]


class _Places(msgspec.Struct, frozen=True):
    """Indexes of the columns in this file; -1 is a column that it does not have."""

    day: int
    amount: int
    debit: int
    credit: int
    value_day: int
    reference: int
    receipt: int
    text: int
    party: int
    bank_reference: int
    balance: int


def read(body: bytes, columns: Columns, *, limit_lines: int = 200_000) -> tuple[Statement, ...]:
    """The one statement of a file, proved row by row if it has balances. Raises `BadStatement`."""
    _require_sound(columns)
    rows = _rows(_text(body, columns.encoding), columns.delimiter)
    for _ in range(columns.preamble):
        next(rows, None)
    header = next(rows, None) if columns.header else None
    if columns.header and header is None:
        raise BadStatement("no_column", detail="no row of names")
    places = _places(columns, header)
    width, last = len(header.cells) if header else 0, max(msgspec.structs.astuple(places))
    lines: list[Line] = []
    balances: list[int] = []
    for row in rows:
        width = width or len(row.cells)
        if len(lines) == limit_lines:
            raise BadStatement("too_many_lines", row.number, f"more than {limit_lines}")
        cells = _cells(row, width, last)
        lines.append(_line(cells, places, columns, row.number))
        if places.balance >= 0:
            balances.append(_minor(cells[places.balance], columns, row.number))
    opening, closing = _ends(lines, balances)
    days = [line.day for line in lines]
    statement = Statement(
        columns.account,
        columns.asset,
        "",
        min(days, default=""),
        max(days, default=""),
        opening,
        closing,
        tuple(lines),
    )
    return (proved(statement),)


# -- the mapping ----------------------------------------------------------------------------------


def _require_sound(columns: Columns) -> None:
    """Raise `BadStatement` for a mapping that cannot be read by."""
    one, two = columns.amount != "", columns.debit != "" or columns.credit != ""
    sound = (
        one != two
        and columns.day != ""
        and columns.account.strip() != ""
        and len(columns.delimiter) == 1
        and columns.delimiter not in "\r\n\"'"
        and columns.decimal_mark in _GROUPING
        and 0 <= columns.preamble <= _MAX_PREAMBLE
        and columns.encoding in ENCODINGS | {""}
        and _tells_days(columns.day_format)
    )
    if not sound:
        raise BadStatement("bad_columns", detail="the mapping cannot be read by")
    decimals_of(columns.asset)


def _tells_days(day_format: str) -> bool:
    """Whether a pattern has a day, its month and its year."""
    try:
        written = _SAMPLE.strftime(day_format)
        return _parsed(written, day_format) == _SAMPLE.date().isoformat()
    except (ValueError, re.error):
        return False


def _places(columns: Columns, header: _Row | None) -> _Places:
    names = [squeezed(cell).casefold() for cell in header.cells] if header else []
    number = header.number if header else 0
    return _Places(
        *(_place(getattr(columns, field), names, number) for field in _Places.__struct_fields__)
    )


def _place(column: str | int, names: Sequence[str], number: int) -> int:
    """The index of a column. Raises `BadStatement` if the file has none, or two, of its name."""
    if column == "":
        return -1
    if isinstance(column, int):
        if column < 0:
            raise BadStatement("bad_columns", number, "an index below 0")
        return column
    name = squeezed(column).casefold()
    if names.count(name) != 1:
        raise BadStatement("no_column", number, f"no column, or several, of the name {column!r}")
    return names.index(name)


# -- rows -----------------------------------------------------------------------------------------


def _text(body: bytes, encoding: str) -> str:
    if not encoding:
        return decoded(body)
    return as_lines(strictly(body, encoding)).removeprefix("\ufeff")


def _rows(text: str, delimiter: str) -> Iterator[_Row]:
    """Rows that are not empty, with the line where each begins. Raises `BadStatement`."""
    reader = csv.reader(lines_of(text), delimiter=delimiter, strict=True)
    number = 1
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield _Row(number, cells)
            number = reader.line_num + 1
    except csv.Error:
        raise BadStatement("bad_row", number, "quotes that do not end, or too long") from None


def _cells(row: _Row, width: int, last: int) -> list[str]:
    """The cells of a row. Raises `BadStatement` unless it has as many as the others.

    A comma too many, in a text or between thousands, would put every amount behind it elsewhere.
    """
    cells = row.cells
    if len(cells) > width and not any(map(str.strip, cells[width:])):
        cells = cells[:width]
    if len(cells) < last + 1 or len(cells) > width:
        raise BadStatement("bad_row", row.number, f"{len(cells)} cells of {max(width, last + 1)}")
    return cells


def _line(cells: list[str], places: _Places, columns: Columns, number: int) -> Line:
    def said(place: int) -> str:
        return squeezed(cells[place]) if place >= 0 else ""

    day = _day(cells[places.day], columns, number)
    value = said(places.value_day)
    return Line(
        day,
        _day(value, columns, number) if value else day,
        _amount(cells, places, columns, number),
        bank_reference=named(said(places.bank_reference)),
        receipt=named(said(places.receipt)),
        reference=named(said(places.reference)),
        party=said(places.party),
        text=said(places.text),
        number=number,
    )


def _day(cell: str, columns: Columns, number: int) -> str:
    try:
        return _parsed(cell.strip(), columns.day_format)
    except (ValueError, re.error):
        raise BadStatement("bad_day", number, f"no day in the form {columns.day_format}") from None


@lru_cache(maxsize=1_024)
def _parsed(text: str, day_format: str) -> str:
    return datetime.strptime(text, day_format).date().isoformat()  # noqa: DTZ007  (as written)


# -- amounts --------------------------------------------------------------------------------------


def _amount(cells: list[str], places: _Places, columns: Columns, number: int) -> int:
    """Signed minor units of a row, from one column or from two."""
    if places.amount >= 0:
        return _minor(cells[places.amount], columns, number)
    credit, debit = (
        _minor(cells[place], columns, number) if place >= 0 and cells[place].strip() else None
        for place in (places.credit, places.debit)
    )
    if credit is None and debit is None:
        raise BadStatement("bad_amount", number, "neither a debit nor a credit")
    if min(credit or 0, debit or 0) < 0:
        raise BadStatement("bad_amount", number, "a debit or a credit below zero")
    if credit and debit:
        raise BadStatement("bad_amount", number, "a debit and a credit at once")
    return (credit or 0) - (debit or 0)


def _minor(cell: str, columns: Columns, number: int) -> int:
    return minor_of(_plain(cell.strip(), columns.decimal_mark), columns.asset, number, by_hand=True)


def _plain(text: str, mark: str) -> str:
    """Decimal text with a point and a sign in front; "" for what is no number.

    -5, 5- and (5) are below zero, as accountants write it.
    """
    match = _number(mark).fullmatch(text.replace("\u2212", "-"))
    if match is None:
        return ""
    bracket, sign, whole, _gap, fraction, sign_behind, bracket_behind = match.groups("")
    signs = [bool(bracket), bool(sign), bool(sign_behind)]
    if bool(bracket) != bool(bracket_behind) or sum(signs) > 1:
        return ""
    below = bracket or "-" in sign + sign_behind
    return f"{'-' if below else ''}{re.sub('[^0-9]', '', whole)}.{fraction}"


@lru_cache
def _number(mark: str) -> re.Pattern[str]:
    """Digits, alone or in groups of three with one kind of separator, and decimals."""
    groups = rf"[0-9]{{1,3}}(?:(?P<gap>[{_GROUPING[mark]}'\u2019 \u00a0\u202f])[0-9]{{3}})"
    groups += r"(?:(?P=gap)[0-9]{3})*"
    return re.compile(rf"(\()?([+-])?((?:{groups})|[0-9]*)(?:{re.escape(mark)}([0-9]*))?(-)?(\))?")


# -- balances -------------------------------------------------------------------------------------


def _ends(lines: Sequence[Line], balances: Sequence[int]) -> tuple[int | None, int | None]:
    """(opening, closing) of rows that each have the balance after it, the oldest or newest first.

    Raises `BadStatement` at the line where neither order holds any more.
    """
    if not balances:
        return None, None
    old, new = _holds_until(lines, balances), _holds_until(lines[::-1], balances[::-1])
    count = len(lines)
    if old < count and new < count:
        detail = "the balance before it and its amount do not make its balance"
        at = old if old >= new else count - 1 - new
        raise BadStatement("does_not_add_up", lines[at].number, detail)
    oldest_first = new < count or (old == count and lines[0].day <= lines[-1].day)
    first, last = (0, -1) if oldest_first else (-1, 0)
    return balances[first] - lines[first].minor, balances[last]


def _holds_until(lines: Sequence[Line], balances: Sequence[int]) -> int:
    """The index of the first row, oldest first, whose balance is not the one before and its own."""
    for at in range(1, len(lines)):
        if balances[at - 1] + lines[at].minor != balances[at]:
            return at
    return len(lines)

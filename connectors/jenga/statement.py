"""The full statement of an account: its pages, and how they come together. Pure.

A page goes on after the last row of the one before it, whose own words are sent back (Jenga
documentation, "Account full statement"). Whether that row comes again, which end comes first, and
how many rows a page has at most is not documented: none of it is taken for granted here.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from connectors.callbacks import Row, Rows
from connectors.jenga.config import Config
from connectors.jenga.translate import ACCOUNTS, Question, data_of, minor_of, side_of, text_of
from connectors.reading import Unreadable

PAGE = 50
"""Rows that are asked for at once: a page of long ones stays below the size of an answer."""
ROWS_MAX = 5_000
"""More rows than a person should ask for at once."""
_CURSOR = ("reference", "serial", "postedDateTime", "date", "runningBalance")


class Line(NamedTuple):
    """A row, what the account had after it (minor units, if that is told), and its own words."""

    row: Row
    running: int | None
    cursor: Mapping[str, Any]


class Page(NamedTuple):
    """Rows of one answer, and what they are in."""

    account: str
    asset: str
    lines: Sequence[Line]


# -- to Jenga -------------------------------------------------------------------------------------


def page_question(config: Config, from_day: str, to_day: str, after: Line | None) -> Question:
    """The rows of some days, or so many of them as come after a row."""
    body: dict[str, Any] = {
        "countryCode": config.country_code,
        "accountNumber": config.account,
        "fromDate": from_day,
        "toDate": to_day,
        "limit": PAGE,
        **(after.cursor if after is not None else {}),
    }
    signed = f"{config.account}{config.country_code}{to_day}"
    return Question(f"{ACCOUNTS}/fullStatement", signed, body)


# -- from Jenga -----------------------------------------------------------------------------------


def page_of(body: bytes) -> Page:
    """One page. Raises `Unreadable`, also for a single row that cannot be read: none is skipped."""
    data = data_of(body)
    asset, listed = text_of(data, "currency"), data.get("transactions")
    if not asset or not isinstance(listed, list):
        raise Unreadable("no currency or transactions")
    return Page(text_of(data, "accountNumber"), asset, [_line(each, asset) for each in listed])


def _line(said: object, asset: str) -> Line:
    if not isinstance(said, Mapping):
        raise Unreadable("an invalid row")
    minor = minor_of(said.get("amount"), asset)
    if minor < 0:
        raise Unreadable("a row whose side is told twice")
    reference, serial = text_of(said, "reference"), text_of(said, "serial")
    value_day = _day(text_of(said, "date"))
    booked = text_of(said, "postedDateTime")
    row = Row(
        _day(booked) if booked else value_day,
        value_day,
        minor if side_of(text_of(said, "type")) == "in" else -minor,
        f"{reference}/{serial}" if serial else reference,
        reference,
        "",
        "",
        text_of(said, "description"),
    )
    return Line(
        row, _running(said, asset), {n: said[n] for n in _CURSOR if said.get(n) is not None}
    )


def _running(said: Mapping[str, Any], asset: str) -> int | None:
    running = said.get("runningBalance")
    if not isinstance(running, Mapping) or text_of(running, "currency") not in {"", asset}:
        return None
    return minor_of(running.get("amount"), asset)


def _day(text: str) -> str:
    """The ISO date that a text begins with."""
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise Unreadable("a row without its day") from None


# -- together -------------------------------------------------------------------------------------


def fresh(known: Sequence[Line], page: Sequence[Line]) -> Sequence[Line]:
    """What a page adds to what is known; nothing at the end. Raises `Unreadable` for a full page
    that begins anew: the rows after it cannot be had.

    What it begins with may be the last row again: two that follow each other are never alike, as
    the account has something else after the second one.
    """
    if known and page and list(page) == list(known[: len(page)]):
        if len(page) >= PAGE:
            raise Unreadable("the statement begins anew")
        return []
    return page[1:] if known and page[:1] == [known[-1]] else page


def whole(config: Config, asset: str, from_day: str, to_day: str, lines: Sequence[Line]) -> Rows:
    """All rows, the oldest first, with what was there before and after them, if it adds up."""
    ordered, opening, closing = _ordered(lines)
    rows = tuple(line.row for line in ordered)
    digest = hashlib.sha256(msgspec.json.encode(rows)).hexdigest()[:32]
    event_id = f"statement.{config.account}.{from_day}.{to_day}.{digest}"
    return Rows(event_id, config.account, asset, from_day, to_day, opening, closing, rows)


def _ordered(lines: Sequence[Line]) -> tuple[Sequence[Line], int | None, int | None]:
    """(the oldest first, opening, closing); as they came, and unknown, where they do not add up.

    A few rows may add up from either end: then the times of booking say which was first.
    """
    fits = [each for each in (lines, lines[::-1]) if each and _adds_up(each)]
    if len(fits) > 1:
        timed = [each for each in fits if _booked(each[0]) < _booked(each[-1])]
        fits = timed or (fits if _span(fits[0]) == _span(fits[1]) else [])
    return (fits[0], *_span(fits[0])) if fits else (lines, None, None)


def _adds_up(lines: Sequence[Line]) -> bool:
    return lines[0].running is not None and all(
        before.running is not None and before.running + line.row.minor == line.running
        for before, line in pairwise(lines)
    )


def _span(lines: Sequence[Line]) -> tuple[int | None, int | None]:
    """What was there before the first row, and after the last one."""
    first, last = lines[0], lines[-1]
    return None if first.running is None else first.running - first.row.minor, last.running


def _booked(line: Line) -> str:
    return text_of(line.cursor, "postedDateTime") or text_of(line.cursor, "date")

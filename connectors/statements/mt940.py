"""Customer statement messages of SWIFT: MT940. Pure.

Fields are read as the standard has them (SWIFT, Category 9, MT 940), envelopes and the preambles
of banks passed over. Details in :86: are free text, or subfields such as ?20 (the German banks'
form, with EREF+ and its like), or /EREF/.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from connectors.statements.base import BadStatement, Line, Statement, prove, proved
from connectors.statements.words import (
    calendar_day,
    day_of,
    decoded,
    lines_of,
    minor_of,
    named,
    squeezed,
)

_TAG = re.compile(r":([0-9]{2}[A-Z]?|NS):(.*)").fullmatch
_BALANCE = re.compile(
    r"(C|D)([0-9]{2})([0-9]{2})([0-9]{2})([A-Z]{3})([0-9]+(?:,[0-9]*)?)"
).fullmatch
_ENTRY = re.compile(
    r"([0-9]{2})([0-9]{2})([0-9]{2})(?:([0-9]{2})([0-9]{2}))?(RC|RD|C|D)([A-Z])?"
    r"([0-9]+(?:,[0-9]*)?)([A-Z][A-Z0-9]{3})(.*)"
).fullmatch
_SIGNS = {"C": 1, "D": -1, "RC": -1, "RD": 1}
"""A reversal of a credit takes money away again, one of a debit brings it back."""
_SUBFIELDS = re.compile(r"(?:[0-9]{3})?\?[0-9]{2}").match
_SUBFIELD = re.compile(r"\?([0-9]{2})")
_PURPOSE = frozenset({*map(str, range(20, 30)), *map(str, range(60, 64))})
_LABEL = re.compile(r"(EREF|KREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE|PURP|COAM|OAMT|RTRN)\+")
_SLASHED = re.compile(r"/EREF/([^/]+)").search
_LINE_CHARS, _SUBFIELD_CHARS = 65, 27
"""A piece of text as long as that goes on in the next one without a space."""


@dataclass(slots=True)
class _Field:
    number: int
    tag: str
    lines: list[str]


@dataclass(slots=True)
class _Balance:
    number: int
    is_final: bool
    """:60F: and :62F:, not the M of a statement that goes on in another message."""
    day: str
    minor: int
    asset: str


@dataclass(slots=True)
class _Message:
    """One message: a statement, or one page of it."""

    number: int
    account: str = ""
    sequence: str = ""
    opening: _Balance | None = None
    closing: _Balance | None = None
    entries: list[tuple[_Field, list[str]]] = field(default_factory=list)
    """Each :61: with the lines of its :86:."""


@dataclass(frozen=True, slots=True)
class _Page:
    account: str
    sequence: str
    opening: _Balance
    closing: _Balance
    lines: tuple[Line, ...]


def read(body: bytes, *, limit_lines: int = 200_000) -> tuple[Statement, ...]:
    """Statements of a file, every page of every one proved. Raises `BadStatement`."""
    messages = _messages(_fields(decoded(body)), limit_lines)
    statements = tuple(_statement(pages) for pages in _bound(map(_page, messages)))
    if not statements:
        raise BadStatement("no_statement", detail="no message with a :20: or a :25:")
    return statements


# -- messages -------------------------------------------------------------------------------------


def _fields(text: str) -> Iterator[_Field]:
    """Fields with their continuation lines; a field "" where a message ends."""
    current: _Field | None = None
    for number, whole in enumerate(lines_of(text), 1):
        line, ends = _unwrapped(whole.removesuffix("\n"))
        match = _TAG(line)
        if ends or match:
            if current:
                yield current
            current = None
        if ends:
            yield _Field(number, "", [])
        if match:
            current = _Field(number, match[1], [match[2]])
        elif current and not ends and line:
            current.lines.append(line)
    if current:
        yield current


def _unwrapped(line: str) -> tuple[str, bool]:
    """A line without a block's braces, and whether a message has ended before it."""
    if line.startswith(("{", "-}")):
        _, found, rest = line.rpartition("{4:")
        return rest if found else "", True
    return line, line.strip() == "-"


def _messages(fields: Iterable[_Field], limit_lines: int) -> Iterator[_Message]:
    message: _Message | None = None
    count, is_entry = 0, False
    for each in fields:
        if each.tag in {"", "20"}:
            if message:
                yield message
            message, is_entry = None, False
        if not each.tag:
            continue
        message = message or _Message(each.number)
        if each.tag == "86" and is_entry:
            message.entries[-1][1].extend(each.lines)
            continue
        is_entry = each.tag == "61"
        if is_entry:
            count += 1
            message.entries.append((each, []))
        else:
            _take(each, message)
        if count > limit_lines:
            raise BadStatement("too_many_lines", each.number, f"more than {limit_lines}")
    if message:
        yield message


def _take(each: _Field, message: _Message) -> None:
    """Note what a field says of the message; those of no concern here are passed over."""
    kind, said = each.tag[:2], each.lines[0].strip()
    if kind == "25":
        _once(each, message.account)
        message.account = squeezed(said)
    elif kind == "28":
        _once(each, message.sequence)
        message.sequence = squeezed(said.partition("/")[0])
    elif kind == "60":
        _once(each, message.opening)
        message.opening = _balance(each)
    elif kind == "62":
        _once(each, message.closing)
        message.closing = _balance(each)


def _once(each: _Field, before: object) -> None:
    if before:
        raise BadStatement("not_once", each.number, f":{each.tag}: twice in a message")


def _balance(each: _Field) -> _Balance:
    match = _BALANCE(each.lines[0].strip())
    if match is None:
        raise BadStatement("bad_balance", each.number, f":{each.tag}: cannot be read")
    mark, year, month, day, asset, amount = match.groups()
    minor = _SIGNS[mark] * _minor(amount, asset, each.number)
    is_final = not each.tag.endswith("M")
    on = day_of((f"20{year}", month, day), each.number)
    return _Balance(each.number, is_final, on, minor, asset)


def _minor(amount: str, asset: str, number: int) -> int:
    return minor_of(amount.replace(",", "."), asset, number)


# -- statements -----------------------------------------------------------------------------------


def _page(message: _Message) -> _Page:
    """The message with its lines read and proved."""
    opening, closing = message.opening, message.closing
    if not message.account:
        raise BadStatement("no_account", message.number, "no :25:")
    if opening is None or closing is None:
        missing = ":60F:" if opening is None else ":62F:"
        raise BadStatement("no_balance", message.number, f"no {missing}, or cut off before it")
    if opening.asset != closing.asset:
        raise BadStatement("asset_differs", closing.number, f"not the opening's {opening.asset}")
    lines = tuple(_line(entry, details, opening.asset) for entry, details in message.entries)
    prove(opening.asset, opening.minor, lines, closing.minor)
    return _Page(message.account, message.sequence, opening, closing, lines)


def _bound(pages: Iterable[_Page]) -> Iterator[list[_Page]]:
    """Pages of one statement together. Raises `BadStatement` where one does not go on."""
    bound: list[_Page] = []
    for page in pages:
        if bound and not _goes_on(bound[-1], page):
            yield bound
            bound = []
        bound.append(page)
    if bound:
        yield bound


def _goes_on(before: _Page, page: _Page) -> bool:
    if before.closing.is_final or page.opening.is_final or before.account != page.account:
        return False
    left, found = before.closing, page.opening
    if (left.minor, left.asset) != (found.minor, found.asset):
        detail = f"not the balance that line {left.number} has left"
        raise BadStatement("does_not_add_up", found.number, detail)
    return True


def _statement(pages: Sequence[_Page]) -> Statement:
    first, last = pages[0], pages[-1]
    lines = tuple(line for page in pages for line in page.lines)
    days = [line.day for line in lines]
    statement = Statement(
        first.account,
        first.opening.asset,
        first.sequence,
        min([*days, last.closing.day]),
        max([*days, last.closing.day]),
        first.opening.minor,
        last.closing.minor,
        lines,
    )
    return proved(statement)


# -- lines ----------------------------------------------------------------------------------------


def _line(entry: _Field, details: Sequence[str], asset: str) -> Line:
    number = entry.number
    match = _ENTRY(entry.lines[0].strip())
    if match is None:
        raise BadStatement("bad_line", number, ":61: cannot be read")
    *value, entry_month, entry_day, mark, letter, amount, _kind, references = match.groups()
    if letter and letter != asset[2]:
        raise BadStatement("asset_differs", number, f"not the balance's {asset}")
    value_day = day_of((f"20{value[0]}", *value[1:]), number)
    customer, _, bank = references.partition("//")
    receipt, party, text = _told(details)
    return Line(
        _entry_day(value_day, entry_month, entry_day, number) if entry_month else value_day,
        value_day,
        _SIGNS[mark] * _minor(amount, asset, number),
        bank_reference=named(squeezed(bank)),
        receipt=receipt,
        reference=named(squeezed(customer)),
        party=party,
        text=squeezed(" ".join([text, *entry.lines[1:]])),
        number=number,
    )


def _entry_day(value_day: str, month: str, day: str, number: int) -> str:
    """The day that is written without its year: the one nearest to the value day."""
    if value_day.endswith(f"{month}-{day}"):
        return value_day
    year, value_month, value_of_month = map(int, value_day.split("-"))
    value = calendar_day(year, value_month, value_of_month)
    near = (calendar_day(each, int(month), int(day)) for each in (year - 1, year, year + 1))
    found = [each for each in near if each]
    if not found or value is None:
        raise BadStatement("bad_day", number, "no such entry day")
    best = min(found, key=lambda each: abs(each - value))
    if abs(best - value) > timedelta(days=183):
        raise BadStatement("bad_day", number, "an entry day in none of the years around")
    return best.isoformat()


def _told(details: Sequence[str]) -> tuple[str, str, str]:
    """(receipt, party, text) of what :86: says."""
    if not details:
        return "", "", ""
    if _SUBFIELDS(details[0]):
        return _of_subfields("".join(details))
    text = _joined(details, _LINE_CHARS)
    slashed = _SLASHED(text)
    return named(squeezed(slashed[1])) if slashed else "", "", squeezed(text)


def _of_subfields(text: str) -> tuple[str, str, str]:
    _, *parts = _SUBFIELD.split(text)
    subfields = list(zip(parts[::2], parts[1::2], strict=True))
    purpose = _joined([said for tag, said in subfields if tag in _PURPOSE], _SUBFIELD_CHARS)
    booking = " ".join(said for tag, said in subfields if tag == "00")
    party = "".join(said for tag, said in subfields if tag in {"32", "33"})
    before, *labelled = _LABEL.split(purpose)
    labels = dict(zip(labelled[::2], labelled[1::2], strict=True))
    said = labels.get("SVWZ", before if labels else purpose)
    return (
        named(squeezed(labels.get("EREF", ""))),
        squeezed(party),
        squeezed(said) or squeezed(booking),
    )


def _joined(pieces: Sequence[str], width: int) -> str:
    """Text that was cut into pieces: words of a full piece go on in the next one."""
    return "".join(piece if len(piece) >= width else f"{piece} " for piece in pieces)

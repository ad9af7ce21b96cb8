"""What every statement looks like once it is read, its proof, and the names of its lines. Pure.

A reader either gives all that a file says, proved as far as the file has balances, or raises
`BadStatement`: half a statement is never taken.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence

import msgspec

from streams.money import UnknownAsset, exponent_of, format_minor


class Line(msgspec.Struct, frozen=True):
    """One booked movement of an account."""

    day: str
    """When it was booked, as an ISO date: the bank's own day."""
    value_day: str
    """From when it bears interest, as an ISO date."""
    minor: int
    """Minor units of the statement's asset; money that came is above zero."""
    bank_reference: str = ""
    """The bank's own name of it, unique per account if the bank keeps its word; "" if none."""
    receipt: str = ""
    """The name it had on its way: an EndToEndId, a provider's receipt; "" if none."""
    reference: str = ""
    """What its payer was asked to name: a structured reference; "" if none."""
    party: str = ""
    """Who is at the other end, for people to read."""
    text: str = ""
    number: int = 0
    """Of the line (MT940, CSV) or the entry (camt, OFX) in the file, from 1."""


class Statement(msgspec.Struct, frozen=True):
    """What a file says of one account; `opening` and `closing` in minor units, where it has them.

    `account` is the bank's name of it as the file has it, `number` the statement's id or sequence.
    Days are ISO dates, "" where nothing says them.
    """

    account: str
    asset: str
    number: str
    from_day: str
    to_day: str
    opening: int | None
    closing: int | None
    lines: tuple[Line, ...]


class BadStatement(Exception):
    """A file, or a line of it, that cannot be taken.

    `reason` is a short stable word for callers, `number` the line or entry of the file (0 if it is
    about the whole), `detail` is for people and never has anything of the file's text.
    """

    def __init__(self, reason: str, number: int = 0, detail: str = "") -> None:
        self.reason, self.number, self.detail = reason, number, detail
        at = f" (line or entry {number})" if number else ""
        super().__init__(f"{reason.replace('_', ' ')}{at}{': ' if detail else ''}{detail}")


def proved(statement: Statement) -> Statement:
    """The statement itself, if its lines lead from its opening to its closing balance.

    Without both of them there is nothing to prove. Raises `BadStatement`, which names the last
    line: where a file has balances in between, its reader has proved those before, and nearer.
    """
    opening, closing = statement.opening, statement.closing
    if opening is not None and closing is not None:
        prove(statement.asset, opening, statement.lines, closing)
    return statement


def adds_up(opening: int, lines: Sequence[Line], closing: int) -> bool:
    """Whether the lines lead from one balance to the other."""
    return opening + sum(line.minor for line in lines) == closing


def prove(asset: str, opening: int, lines: Sequence[Line], closing: int) -> None:
    """Raise `BadStatement`, at the last line, unless they lead from one balance to the other."""
    if adds_up(opening, lines, closing):
        return
    reached = opening + sum(line.minor for line in lines)
    said = f"{_written(opening, asset)} and the lines make {_written(reached, asset)}"
    last = lines[-1].number if lines else 0
    raise BadStatement("does_not_add_up", last, f"{said}, not {_written(closing, asset)}")


def _written(minor: int, asset: str) -> str:
    try:
        return format_minor(minor, exponent_of(asset))
    except UnknownAsset:
        return str(minor)


def keys_of(statement: Statement) -> tuple[str, ...]:
    """One key for each line, the same whenever and in whatever file that line comes again.

    A key is a digest of the account, the day, the amount and the bank's own reference; of what the
    line says where the bank gave it none. Equal lines are counted, so that two honest equal ones of
    one day have two keys, and the same two in an overlapping file as well, if both files have the
    day as a whole.

    The bank's reference alone is no key, though it should be: banks put one reference on a payment
    and its fee, on a payment and its reversal, or on every standing order of a month, and none of
    these may swallow another. Day and amount of what is booked do not change; if a bank does
    change them, its line is new, for people to see.
    """
    account = "".join(statement.account.split()).upper()
    seen: Counter[tuple[str, ...]] = Counter()
    keys = []
    for line in statement.lines:
        named = (account, line.day, str(line.minor), *_name_of(line))
        keys.append(_digest((*named, str(seen[named]))))
        seen[named] += 1
    return tuple(keys)


def _name_of(line: Line) -> tuple[str, ...]:
    if line.bank_reference:
        return ("bank", line.bank_reference)
    return ("line", line.receipt, line.reference, line.text)


def _digest(parts: tuple[str, ...]) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()

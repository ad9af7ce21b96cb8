"""Open Financial Exchange: statements of OFX 1.x (SGML) and 2.x (XML), one reader for both. Pure.

In 1.x only aggregates must be closed, so that nothing here depends on the end of a leaf (OFX
specifications 1.6 and 2.2, "Downloading transactions"). What a header says of its charset is
often wrong, and is not looked at.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from connectors.statements.base import BadStatement, Line, Statement, proved
from connectors.statements.words import day_of, decoded, minor_of, named, squeezed

_ELEMENT = re.compile(r"<(/?)([A-Za-z0-9_.]+)[ \t\n]*(/?)>([^<]*)").match
_ROOT = re.compile(r"<OFX[ \t\n]*>", re.IGNORECASE).search
_DAY = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})(?:[0-9]{2}){0,3}(?:\.[0-9]+)? ?(?:\[[^\]]*\])?"
).fullmatch
_REFERENCE = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|amp|lt|gt|quot|apos|nbsp);")
_CHARACTERS = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "nbsp": " "}
_STATEMENTS = frozenset({"STMTRS", "CCSTMTRS"})
_AGGREGATES = _STATEMENTS | {
    "BANKACCTFROM",
    "CCACCTFROM",
    "BANKACCTTO",
    "CCACCTTO",
    "BANKTRANLIST",
    "BANKTRANLISTP",
    "STMTTRN",
    "STMTTRNP",
    "PAYEE",
    "CURRENCY",
    "ORIGCURRENCY",
    "LEDGERBAL",
    "AVAILBAL",
    "BALLIST",
    "BAL",
}
"""Those that have to be told apart: they hold leaves of one name that mean different things."""
_WANTED = frozenset({
    "CURDEF",
    "BANKACCTFROM/ACCTID",
    "CCACCTFROM/ACCTID",
    "BANKTRANLIST/DTSTART",
    "BANKTRANLIST/DTEND",
    "LEDGERBAL/BALAMT",
    "TRNTYPE",
    "DTPOSTED",
    "DTAVAIL",
    "TRNAMT",
    "FITID",
    "CHECKNUM",
    "REFNUM",
    "NAME",
    "PAYEE/NAME",
    "MEMO",
    "CURRENCY/CURSYM",
})  # fmt: skip
_MAX_DEPTH = 16
_MAX_MEMO_CHARS = 10_000
_Leaves = dict[str, str]


@dataclass(slots=True)
class _Account:
    leaves: _Leaves = field(default_factory=dict)
    entries: list[tuple[int, _Leaves]] = field(default_factory=list)
    """Number of each transaction in the file, and what it says."""


def read(body: bytes, *, limit_lines: int = 200_000) -> tuple[Statement, ...]:
    """Statements of bank accounts and cards, one for each. Raises `BadStatement`.

    The ledger's balance closes a statement that has no opening one: there is nothing to prove. What
    is on hold or pending is left out.
    """
    statements = tuple(_statement(account) for account in _accounts(decoded(body), limit_lines))
    if not statements:
        raise BadStatement("no_statement", detail="no STMTRS or CCSTMTRS")
    return statements


# -- markup ---------------------------------------------------------------------------------------


def _accounts(text: str, limit_lines: int) -> Iterator[_Account]:
    """Accounts as they end. Raises `BadStatement` for markup that is none, or is cut off."""
    root = _ROOT(text)
    if root is None:
        raise BadStatement("no_statement", detail="no OFX element")
    scan, is_closed = _Scan(limit_lines), False
    for closes, name, said in _elements(text, root.start()):
        if closes:
            is_closed = name == "OFX"
            if scan.close(name):
                yield scan.account
        elif name in _AGGREGATES:
            scan.open(name)
        elif said:
            scan.leaf(name, said)
    if not is_closed:
        raise BadStatement("cut_off", scan.count, "no end of the OFX element")


def _elements(text: str, at: int) -> Iterator[tuple[bool, str, str]]:
    """(whether it closes, name, text after it) of every tag."""
    while at < len(text):
        match = _ELEMENT(text, at)
        if match is None:
            line = text.count("\n", 0, at) + 1
            raise BadStatement("bad_markup", line, "not an OFX element, in this line of the file")
        closes, name, closes_itself, said = match.groups()
        if not closes_itself:
            yield bool(closes), name.upper(), squeezed(said)
        at = match.end()


class _Scan:
    """Where in a file we are: `account` is the last one, `count` its transactions so far."""

    def __init__(self, limit_lines: int) -> None:
        self.account = _Account()
        self.count = 0
        self._limit_lines = limit_lines
        self._way: list[str] = []
        self._leaves: _Leaves | None = None
        """Where what is read now belongs; None outside of an account."""

    def open(self, name: str) -> None:
        """An aggregate begins."""
        if len(self._way) >= _MAX_DEPTH or name in self._way:
            raise BadStatement("bad_markup", self.count, f"{name} in itself, or too deep")
        self._way.append(name)
        if name in _STATEMENTS:
            self.account = _Account()
            self._leaves = self.account.leaves
        elif name == "STMTTRN":
            self._begin()

    def _begin(self) -> None:
        self.count += 1
        if self._way[0] not in _STATEMENTS or self._way[1:-1] != ["BANKTRANLIST"]:
            raise BadStatement("bad_markup", self.count, "a transaction of no account's list")
        if self.count > self._limit_lines:
            raise BadStatement("too_many_lines", self.count, f"more than {self._limit_lines}")
        self._leaves = {}
        self.account.entries.append((self.count, self._leaves))

    def close(self, name: str) -> bool:
        """An aggregate ends, or a leaf; whether an account has ended with it."""
        if name not in _AGGREGATES:
            return False
        if not self._way or self._way.pop() != name:
            raise BadStatement("bad_markup", self.count, f"{name} ends where it has not begun")
        if name == "STMTTRN":
            self._leaves = self.account.leaves
        elif name in _STATEMENTS:
            self._leaves = None
        return name in _STATEMENTS

    def leaf(self, name: str, said: str) -> None:
        """A leaf with its text, which is kept if anybody wants it."""
        inside = 2 if "STMTTRN" in self._way else 0
        path = "/".join([*self._way[1 + inside :], name])
        if self._leaves is None or path not in _WANTED:
            return
        text = squeezed(_REFERENCE.sub(_character, said)) if "&" in said else said
        if name == "MEMO" and path in self._leaves:
            text = f"{self._leaves[path]} {text}"
            if len(text) > _MAX_MEMO_CHARS:
                raise BadStatement("too_long", self.count, "memos without an end")
        elif path in self._leaves:
            raise BadStatement("not_once", self.count, f"{name} twice")
        self._leaves[path] = text


def _character(match: re.Match[str]) -> str:
    """The character that a reference stands for; one that stands for none stays as it is."""
    name = match[1]
    if not name.startswith("#"):
        return _CHARACTERS[name]
    name = name.removeprefix("#")
    code = int(f"0{name}", 16) if name[0] in "xX" else int(name)
    is_one = 0 < code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF
    return chr(code) if is_one else match[0]


# -- statements -----------------------------------------------------------------------------------


def _statement(account: _Account) -> Statement:
    leaves = account.leaves
    asset = leaves.get("CURDEF", "").upper()
    if not asset:
        raise BadStatement("no_asset", detail="no CURDEF")
    name = leaves.get("BANKACCTFROM/ACCTID") or leaves.get("CCACCTFROM/ACCTID")
    if not name:
        raise BadStatement("no_account", detail="no ACCTID")
    lines = tuple(
        _line(each, asset, number)
        for number, each in account.entries
        if each.get("TRNTYPE", "").upper() != "HOLD"
    )
    closing = leaves.get("LEDGERBAL/BALAMT")
    days = [line.day for line in lines]
    since, until = (_day(leaves.get(f"BANKTRANLIST/{end}", ""), 0) for end in ("DTSTART", "DTEND"))
    statement = Statement(
        name,
        asset,
        "",
        since or min(days, default=""),
        until or max(days, default=""),
        None,
        _minor(closing, asset, 0) if closing else None,
        lines,
    )
    return proved(statement)


def _line(said: _Leaves, asset: str, number: int) -> Line:
    day = _day(said.get("DTPOSTED", ""), number)
    if not day:
        raise BadStatement("bad_day", number, "no DTPOSTED")
    if said.get("CURRENCY/CURSYM", asset).upper() != asset:
        raise BadStatement("asset_differs", number, f"not the account's {asset}")
    return Line(
        day,
        _day(said.get("DTAVAIL", ""), number) or day,
        _minor(said.get("TRNAMT", ""), asset, number),
        bank_reference=named(said.get("FITID", "")),
        reference=named(said.get("REFNUM", "")) or named(said.get("CHECKNUM", "")),
        party=said.get("NAME") or said.get("PAYEE/NAME", ""),
        text=said.get("MEMO", ""),
        number=number,
    )


def _day(text: str, number: int) -> str:
    """The local day that is written, whatever zone is written behind it; "" for no text."""
    if not text:
        return ""
    match = _DAY(text)
    if match is None:
        raise BadStatement("bad_day", number, "no OFX date")
    return day_of(match.groups(), number)


def _minor(text: str, asset: str, number: int) -> int:
    """OFX has a point or a comma before decimals, and nothing between thousands."""
    return minor_of(text.replace(",", ".", 1), asset, number, by_hand=True)

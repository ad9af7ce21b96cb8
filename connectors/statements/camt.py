"""Bank to customer reports of ISO 20022: camt.052, .053 and .054, versions .02 to .14. Pure.

Elements are matched by their local names, so that the version does not matter (ISO 20022, message
definitions camt.052.001, camt.053.001 and camt.054.001).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from connectors.statements.base import BadStatement, Line, Statement, adds_up, proved
from connectors.statements.markup import Record, Shape, records
from connectors.statements.words import calendar_day, minor_of, named

_DAY = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T[0-9:.]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
).fullmatch
_PAYERS, _PAYEES = (
    tuple(
        f"RltdPties/{each}/{path}" for each in (role, f"Ultmt{role}") for path in ("Nm", "Pty/Nm")
    )
    for role in ("Dbtr", "Cdtr")
)
_TEXTS = (
    "RmtInf/Ustrd",
    "RmtInf/Strd/AddtlRmtInf",
    "AddtlTxInf",
    "RtrInf/Rsn/Cd",
    "RtrInf/AddtlInf",
)
_TRANSACTION = Shape(
    "transaction",
    (
        "Refs/AcctSvcrRef",
        "Refs/EndToEndId",
        "Refs/TxId",
        "Amt",
        "Amt@Ccy",
        "AmtDtls/TxAmt/Amt",
        "AmtDtls/TxAmt/Amt@Ccy",
        "CdtDbtInd",
        *_PAYERS,
        *_PAYEES,
        "RmtInf/Strd/CdtrRefInf/Ref",
        *_TEXTS,
    ),
)
_ENTRY = Shape(
    "entry",
    (
        "Amt",
        "Amt@Ccy",
        "CdtDbtInd",
        "RvslInd",
        "Sts",
        "Sts/Cd",
        "BookgDt/Dt",
        "BookgDt/DtTm",
        "ValDt/Dt",
        "ValDt/DtTm",
        "AcctSvcrRef",
        "AddtlNtryInf",
        "NtryDtls/Btch/NbOfTxs",
    ),
    {"NtryDtls/TxDtls": _TRANSACTION},
)
_BALANCE = Shape("balance", ("Tp/CdOrPrtry/Cd", "Amt", "Amt@Ccy", "CdtDbtInd", "Dt/Dt", "Dt/DtTm"))
_ACCOUNT = Shape(
    "account",
    (
        "Id",
        "ElctrncSeqNb",
        "FrToDt/FrDtTm",
        "FrToDt/ToDtTm",
        "Acct/Id/IBAN",
        "Acct/Id/Othr/Id",
        "Acct/Ccy",
    ),
    {"Bal": _BALANCE, "Ntry": _ENTRY},
)
_REPORTS = {"Stmt": _ACCOUNT, "Rpt": _ACCOUNT, "Ntfctn": _ACCOUNT}
_SIGNS = {"CRDT": 1, "DBIT": -1}
_NOT_BOOKED = frozenset({"PDNG", "INFO", "FUTR"})
_OPENING, _PREVIOUS_CLOSING, _CLOSING = "OPBD", "PRCD", "CLBD"


@dataclass(slots=True)
class _Balance:
    code: str
    day: str
    minor: int
    asset: str


@dataclass(slots=True)
class _Report:
    """What has been read of one account so far."""

    balances: list[_Balance] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    reversed_at: list[int] = field(default_factory=list)
    """Places in `lines` of what the bank has marked as a reversal."""
    assets: dict[str, int] = field(default_factory=dict)
    """Currencies, and the first entry that has them (0 for a balance)."""


def read(body: bytes, *, limit_lines: int = 200_000) -> tuple[Statement, ...]:
    """Statements of a file, every one of them proved. Raises `BadStatement`.

    Only what is booked is taken. `CdtDbtInd` is the direction in which the money went, also of a
    reversal (ISO); banks that mean the direction of what was reversed are read their way where that
    alone makes the balances hold. A batch becomes a line for each transaction; one that lists none,
    or none in the account's currency, is one line.
    """
    statements: list[Statement] = []
    report, transactions, count = _Report(), list[Record](), 0
    for record in records(body, _REPORTS):
        if record.name == "transaction":
            transactions.append(record)
            if len(transactions) > limit_lines:
                raise BadStatement("too_many_lines", detail=f"more than {limit_lines}")
        elif record.name == "entry":
            lines = _lines(record, transactions, report)
            count += len(lines)
            if count > limit_lines:
                raise BadStatement("too_many_lines", record.number, f"more than {limit_lines}")
            transactions = []
        elif record.name == "balance":
            _take_balance(record, report)
        else:
            statements.append(_statement(record, report))
            report = _Report()
    if not statements:
        raise BadStatement("no_statement", detail="no Stmt, Rpt or Ntfctn")
    return tuple(statements)


# -- entries --------------------------------------------------------------------------------------


def _lines(entry: Record, transactions: Sequence[Record], report: _Report) -> list[Line]:
    """Lines of an entry, which join the report; none of one that is not booked."""
    if not _is_booked(entry):
        return []
    asset = _only(entry, "Amt@Ccy")
    report.assets.setdefault(asset, entry.number)
    total = _signed(entry, "Amt", asset)
    is_reversal = entry.first("RvslInd").lower() in {"true", "1"}
    amounts = _parts(entry, transactions, asset, total)
    is_told = bool(amounts) or _is_single(entry, transactions)
    parts: Sequence[Record | None] = transactions if is_told else [None]
    lines = [
        _line(entry, part, minor, place, is_reversal=is_reversal)
        for place, (part, minor) in enumerate(zip(parts, amounts or [total], strict=True), 1)
    ]
    if is_reversal:
        report.reversed_at += range(len(report.lines), len(report.lines) + len(lines))
    report.lines += lines
    return lines


def _is_booked(entry: Record) -> bool:
    """Whether money has moved. Raises `BadStatement` for a status that nobody here knows."""
    status = entry.first("Sts/Cd", "Sts").upper()
    if status == "BOOK":
        return True
    if status in _NOT_BOOKED:
        return False
    raise BadStatement("unknown_status", entry.number, "neither booked nor expected")


def _is_single(entry: Record, transactions: Sequence[Record]) -> bool:
    """Whether the entry is the one transaction that it lists, and not the first of many."""
    return len(transactions) == 1 and entry.first("NtryDtls/Btch/NbOfTxs") in {"", "1"}


def _parts(entry: Record, transactions: Sequence[Record], asset: str, total: int) -> list[int]:
    """Signed amounts of the transactions of an entry, whose sum is the entry's.

    Empty if they have none in its currency: then the entry's is all that is known. Raises
    `BadStatement` if only some have one, or if they make another sum.
    """
    amounts = [_part(entry, each, asset) for each in transactions]
    told = [minor for minor in amounts if minor is not None]
    if not told:
        return []
    if len(told) < len(amounts) or sum(told) != total:
        detail = f"{len(amounts)} transactions do not make its amount"
        raise BadStatement("batch_does_not_add_up", entry.number, detail)
    return told


def _part(entry: Record, transaction: Record, asset: str) -> int | None:
    for path in ("Amt", "AmtDtls/TxAmt/Amt"):
        if transaction.first(path) and transaction.first(f"{path}@Ccy") == asset:
            minor = minor_of(_only(transaction, path, entry.number), asset, entry.number)
            mark = transaction.first("CdtDbtInd") or entry.first("CdtDbtInd")
            return _sign(mark, entry.number) * _unsigned(minor, entry.number)
    return None


def _line(entry: Record, part: Record | None, minor: int, place: int, *, is_reversal: bool) -> Line:
    number = entry.number
    booked, valued = _day(entry, "BookgDt", number), _day(entry, "ValDt", number)
    day, value_day = booked or valued, valued or booked
    if not day:
        raise BadStatement("bad_day", number, "neither booked nor valued on any day")
    own = named(entry.first("AcctSvcrRef"))
    more = entry.every("AddtlNtryInf")
    if part is None:
        return Line(day, value_day, minor, own, text=" ".join(more), number=number)
    references = _references(part)
    return Line(
        day,
        value_day,
        minor,
        bank_reference=named(part.first("Refs/AcctSvcrRef")) or _numbered(own, place),
        receipt=named(part.first("Refs/EndToEndId")) or named(part.first("Refs/TxId")),
        reference=references[0] if len(references) == 1 else "",
        party=_party(part, came=(minor >= 0) != is_reversal),
        text=" ".join([*_texts(part), *(references if len(references) > 1 else ()), *more]),
        number=number,
    )


def _numbered(own: str, place: int) -> str:
    """The entry's own reference for its first transaction, and with a number for the others."""
    return f"{own}/{place}" if own and place > 1 else own


def _references(part: Record) -> list[str]:
    """All structured references: one names what was paid, several cannot be told apart."""
    found = part.every("RmtInf/Strd/CdtrRefInf/Ref")
    return [each for each in dict.fromkeys(map(named, found)) if each]


def _texts(part: Record) -> list[str]:
    return [text for path in _TEXTS for text in part.every(path)]


def _party(part: Record, *, came: bool) -> str:
    """Who is at the other end; a reversal keeps the roles of what it reverses."""
    return part.first(*(_PAYERS if came else _PAYEES))


# -- amounts and days -----------------------------------------------------------------------------


def _signed(record: Record, path: str, asset: str, number: int | None = None) -> int:
    at = record.number if number is None else number
    minor = _unsigned(minor_of(_only(record, path, at), asset, at), at)
    return _sign(_only(record, "CdtDbtInd", at), at) * minor


def _sign(mark: str, number: int) -> int:
    sign = _SIGNS.get(mark)
    if sign is None:
        raise BadStatement("bad_mark", number, "neither CRDT nor DBIT")
    return sign


def _unsigned(minor: int, number: int) -> int:
    if minor < 0:
        raise BadStatement("bad_amount", number, "an amount below zero")
    return minor


def _only(record: Record, path: str, number: int | None = None) -> str:
    """The one text of a path. Raises `BadStatement` if there is none, or several."""
    texts = record.every(path)
    if len(texts) != 1:
        at = record.number if number is None else number
        raise BadStatement("not_once", at, f"{path} must be there once")
    return texts[0]


def _day(record: Record, path: str, number: int = 0) -> str:
    """The day that is written, in the bank's own time; "" if there is none."""
    text = record.first(f"{path}/Dt", f"{path}/DtTm") or record.first(path)
    if not text:
        return ""
    day = _calendar_day(text)
    if not day:
        raise BadStatement("bad_day", number, f"{path} is no ISO date, or of no calendar")
    return day


@lru_cache(maxsize=1_024)
def _calendar_day(text: str) -> str:
    match = _DAY(text)
    found = calendar_day(*map(int, match.groups())) if match else None
    return found.isoformat() if found else ""


# -- accounts -------------------------------------------------------------------------------------


def _take_balance(record: Record, report: _Report) -> None:
    code = record.first("Tp/CdOrPrtry/Cd")
    if code not in {_OPENING, _PREVIOUS_CLOSING, _CLOSING}:
        return
    asset = _only(record, "Amt@Ccy", 0)
    report.assets.setdefault(asset, 0)
    minor = _signed(record, "Amt", asset, 0)
    report.balances.append(_Balance(code, _day(record, "Dt"), minor, asset))


def _statement(record: Record, report: _Report) -> Statement:
    opening = _balance(report, _OPENING) or _balance(report, _PREVIOUS_CLOSING)
    closing = _balance(report, _CLOSING, last=True)
    days = [line.day for line in report.lines]
    since, until = _day(record, "FrToDt/FrDtTm"), _day(record, "FrToDt/ToDtTm")
    account = record.first("Acct/Id/IBAN", "Acct/Id/Othr/Id")
    if not account:
        raise BadStatement("no_account", detail="no IBAN and no other name")
    statement = Statement(
        account,
        _asset(record, report),
        record.first("Id", "ElctrncSeqNb"),
        since or min(days, default=closing.day if closing else ""),
        until or (closing.day if closing else "") or max(days, default=""),
        opening.minor if opening else None,
        closing.minor if closing else None,
        tuple(report.lines),
    )
    return proved(_as_meant(statement, report.reversed_at))


def _balance(report: _Report, code: str, *, last: bool = False) -> _Balance | None:
    """The first day's balance of a kind, or the last day's: a report may have one for each."""
    found = [each for each in report.balances if each.code == code]
    if not found:
        return None
    by_day = sorted(found, key=lambda each: each.day)
    return by_day[-1] if last else by_day[0]


def _asset(record: Record, report: _Report) -> str:
    """The one currency of an account. Raises `BadStatement` if there is none, or another one."""
    asset = record.first("Acct/Ccy") or next(iter(report.assets), "")
    if not asset:
        raise BadStatement("no_asset", detail="no currency anywhere")
    for other, number in report.assets.items():
        if other != asset:
            raise BadStatement("asset_differs", number, f"not the account's {asset}")
    return asset


def _as_meant(statement: Statement, reversed_at: Sequence[int]) -> Statement:
    """The statement with its reversals the other way, if only so its balances hold."""
    opening, closing = statement.opening, statement.closing
    if opening is None or closing is None or not reversed_at:
        return statement
    if adds_up(opening, statement.lines, closing):
        return statement
    lines = list(statement.lines)
    for at in reversed_at:
        lines[at] = msgspec.structs.replace(lines[at], minor=-lines[at].minor)
    if not adds_up(opening, lines, closing):
        return statement
    return msgspec.structs.replace(statement, lines=tuple(lines))

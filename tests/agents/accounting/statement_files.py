"""Statements as tests write them."""

from tables.statements import StatementLine
from tests.agents.accounting.books import Books

BANK, MPESA = "bank:kcb", "gateway:mpesa:collection"
DAY = "2026-03-02"
LINE = {"value_day": DAY}


def read(books: Books, *lines: dict, account: str = BANK, day: str = DAY, key: str = "f1") -> dict:
    """Lines of one day of one statement; the statement."""
    given = [{"key": f"{key}.{n}", **LINE, **line} for n, line in enumerate(lines)]
    about = {"key": key, "account": account, "currency": "KES", "count": len(lines)}
    days = {"from_day": day, "to_day": day, "day": day}
    return books.done("statement.import", **about, **days, lines=given)


def line_of(books: Books, amount: str, **more) -> StatementLine:
    """The one line of a statement of its own, read."""
    before = {row.line_id for row in books.rows(StatementLine)}
    read(books, {"amount": amount, **more}, key=f"s{len(before)}", account=more.pop("on", BANK))
    [line] = [row for row in books.rows(StatementLine) if row.line_id not in before]
    return line


def invoice(books: Books, amount: str = "1160.00", **more) -> str:
    return str(books.done("invoice.create", amount=amount, customer_id="c", **more)["invoice_id"])

"""What a line of a bank's statement is, by named rules: the first that holds, and nothing by guess.

Pure reads. Of what came: a code, an invoice or an order that the line names as its reference;
invoice numbers in its words that come to exactly its amount; a settlement, or some in a row, of
this amount within days whose provider the line names. Of what left: such a settlement, of
days on which more went back than came; a posting of our own of this amount within days. An amount
and a day alone prove nothing of money that came: it is for people.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import accumulate
from typing import NamedTuple

from agents.accounting import chart
from agents.accounting.codes import meant
from agents.accounting.deposits import Meaning, meaning
from agents.registry import View
from tables.balances import Balance
from tables.invoices import Invoice, InvoiceNumber
from tables.payments import PayCode
from tables.settlements import Settlement
from tables.statements import Awaited, BankItem, BankItemAt, Leaving, StatementLine

WITHIN_DAYS = 5
"""How far a bank's day may be from ours."""
CANDIDATES_MAX, AWAITED_MAX = 60, 500
REVERSED = "treasury.command.journal.reverse"
WORDS_MAX = 40
_PROVIDERS = {
    "mpesa": ("MPESA", "M-PESA", "SAFARICOM"),
    "stripe": ("STRIPE",),
    "paypal": ("PAYPAL",),
    "cash": ("CASH",),
}
"""How banks write who sends a settlement; of any other provider, its own name."""
_words = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_.-]{2,127}").findall


class Found(NamedTuple):
    """What a line is, and the rule that says so; without a rule nobody knows."""

    rule: str = ""
    item: BankItem | None = None
    settlements: tuple[Settlement, ...] = ()
    meaning: Meaning = Meaning()
    reference: str = ""
    """The words that name what `meaning` is."""
    invoices: tuple[Invoice, ...] = ()


def find(view: View, line: StatementLine) -> Found:
    """What a line of a bank account is."""
    if line.minor > 0:
        for rule in (_named, _numbered, settlement):
            found = rule(view, line)
            if found.rule:
                return found
        return Found()
    found = settlement(view, line)
    return found if found.rule else _own(view, line)


# -- what a line names ----------------------------------------------------------------------------


def words_of(line: StatementLine) -> list[str]:
    """What may be a reference in a line's words, without those that hold no digit."""
    found = _words(f"{line.reference} {line.text}")[:WORDS_MAX]
    return [word for word in dict.fromkeys(found) if any(map(str.isdigit, word))]


def _named(view: View, line: StatementLine) -> Found:
    """Its reference as a whole, or a code among its words: what we gave the payer to write."""
    named = _meant(view, line, line.reference)
    if named is not None:
        return Found("reference", meaning=named, reference=line.reference)
    for word in words_of(line):
        if view.row(PayCode, line.tenant_id, meant(word)) is not None:
            return Found("code", meaning=meaning(view, line.tenant_id, word), reference=word)
    return Found()


def _meant(view: View, line: StatementLine, text: str) -> Meaning | None:
    found = meaning(view, line.tenant_id, text)
    is_one = found.invoice is not None or found.call is not None or found.order_id
    return found if is_one else None


def _numbered(view: View, line: StatementLine) -> Found:
    """Invoices that its words number, or orders', whose open amounts are exactly the line's."""
    found: dict[str, Invoice] = {}
    for word in words_of(line):
        invoice = _invoice(view, line, word)
        if invoice is not None and invoice.asset == line.asset and invoice.outstanding:
            found[invoice.invoice_id] = invoice
    if not found or sum(each.outstanding for each in found.values()) != line.minor:
        return Found()
    rule = "invoice_number" if len(found) == 1 else "invoice_numbers_combined"
    return Found(rule, invoices=tuple(found.values()))


def _invoice(view: View, line: StatementLine, word: str) -> Invoice | None:
    """The one open invoice that a word numbers, or whose order it is; none if there are several."""
    prefix = InvoiceNumber.prefix_of(line.tenant_id, meant(word))
    found = []
    for number in view.scan(prefix, CANDIDATES_MAX):
        assert isinstance(number, InvoiceNumber)
        invoice = view.row(Invoice, line.tenant_id, number.invoice_id)
        if invoice is not None and invoice.outstanding:
            found.append(invoice)
    if found:
        return found[0] if len(found) == 1 else None
    named = _meant(view, line, word)
    return named.invoice if named else None


# -- what we have posted, or wait for -------------------------------------------------------------


def _own(view: View, line: StatementLine) -> Found:
    """A posting of ours that took money away. Of several alike, the nearest: it only learns its
    line. While one of the other sign may have undone it, nobody knows.
    """
    near = sorted(
        _open_items(view, line, line.minor),
        key=lambda item: (_apart(item, line), item.day, item.item_id),
    )
    undone = any(item.event_type == REVERSED for item in _open_items(view, line, -line.minor))
    if not near or undone:
        return Found()
    return Found("own_entry" if len(near) == 1 else "own_entry_nearest", item=near[0])


def _apart(item: BankItem, line: StatementLine) -> int:
    """Days between a posting of ours and a line."""
    return abs((date.fromisoformat(item.day) - date.fromisoformat(line.day)).days)


def _open_items(view: View, line: StatementLine, minor: int) -> Iterator[BankItem]:
    """Open items of exactly this amount and about a line's day."""
    about = line.tenant_id, line.account, line.asset, str(minor)
    since = BankItemAt.key_of(*about, _later(line.day, -WITHIN_DAYS))
    for at in view.scan(BankItemAt.prefix_of(*about), CANDIDATES_MAX, since):
        assert isinstance(at, BankItemAt)
        item = view.row(BankItem, line.tenant_id, at.item_id)
        if item is not None and item.status == "open" and _apart(item, line) <= WITHIN_DAYS:
            yield item


def settlement(view: View, line: StatementLine) -> Found:
    """One settlement of this amount, else some in a row that come to it, of a named provider."""
    alone = _expected(view, line, str(line.minor))
    if alone:
        rule = "settlement" if len(alone) == 1 else "settlement_first"
        return Found(rule, settlements=(alone[0],))
    row = _in_a_row(_expected(view, line), line.minor)
    return Found("settlements_combined", settlements=row) if row else Found()


def withdrawal(view: View, line: StatementLine) -> Settlement | None:
    """The settlement that left a gateway's account by this line, or (a day of refunds) came into
    it; of several alike, the first.
    """
    prefix = Leaving.prefix_of(line.tenant_id, line.account, line.asset, str(-line.minor))
    found = []
    for each in view.scan(prefix, CANDIDATES_MAX):
        assert isinstance(each, Leaving)
        row = view.row(Settlement, line.tenant_id, each.settlement_id)
        if row is not None and row.line_out == "" and row.day <= line.day:
            found.append(row)
    return min(found, key=lambda row: (row.day, row.settlement_id), default=None)


def in_transit_alone(view: View, tenant_id: str, asset: str) -> int:
    """Minor units in transit that no settlement waits for, as a till's drops."""
    row = view.row(Balance, tenant_id, chart.IN_TRANSIT, asset)
    alone = row.posted if row else 0
    for each in view.scan(Awaited.prefix_of(tenant_id, asset), AWAITED_MAX):
        assert isinstance(each, Awaited)
        alone -= int(each.amount)
    return alone


def _expected(view: View, line: StatementLine, *amount: str) -> list[Settlement]:
    """Settlements on their way whose provider a line names, in the order of their days."""
    prefix = Awaited.prefix_of(line.tenant_id, line.asset, *amount)
    found = []
    for each in view.scan(prefix, AWAITED_MAX):
        assert isinstance(each, Awaited)
        row = view.row(Settlement, line.tenant_id, each.settlement_id)
        if row is None or row.status != "expected":
            continue
        if _is_due(row, line.day) and _is_named(row, line):
            found.append(row)
    return sorted(found, key=lambda row: (row.account, row.day, row.settlement_id))


def _is_due(row: Settlement, day: str) -> bool:
    return row.day <= day <= _later(row.expected_date, WITHIN_DAYS)


def _is_named(row: Settlement, line: StatementLine) -> bool:
    said = f"{line.party} {line.reference} {line.text}".upper()
    return any(name in said for name in _PROVIDERS.get(row.provider, (row.provider.upper(),)))


def _in_a_row(rows: list[Settlement], minor: int) -> tuple[Settlement, ...]:
    """The one run of settlements of one account that comes to this; none if there are two."""
    found = [
        tuple(rows[first : first + count])
        for first in range(len(rows))
        for count, total in enumerate(accumulate(row.net for row in rows[first:]), 1)
        if total == minor and rows[first].account == rows[first + count - 1].account
    ]
    return found[0] if len(found) == 1 else ()


def _later(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()

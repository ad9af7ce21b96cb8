"""What control accounts stand for: the open items of each, in minor units, debit positive.

Written from requirements.md 2, and of nothing the handlers share: an item is judged by its row.
"""

from collections.abc import Callable, Mapping

from tables.invoices import Invoice
from tables.payables import Bill, Expense
from tables.payments import Case, Credit, Dispute, Refund
from tables.payouts import Payout
from tables.purchases import Purchase
from tables.row import Row
from tables.statements import BankItem, StatementLine

Item = tuple[str, str, int]
"""(control account, asset, minor units)."""


def _invoice(row: Invoice) -> Item:
    unpaid = row.total - row.paid - row.credited - row.withheld - row.written_off
    return "receivable", row.asset, unpaid if row.status in {"open", "partially_paid"} else 0


def _bill(row: Bill) -> Item:
    owed = row.total - row.withheld - row.paid - row.pending + row.adjusted
    return "payable", row.asset, -owed if row.status in {"open", "partially_paid"} else 0


def _expense(row: Expense) -> Item:
    owed = row.total - row.paid - row.pending
    return "payable", row.asset, -owed if row.status == "approved" else 0


def _case(row: Case) -> Item:
    return "suspense", row.asset, -row.amount if row.status == "open" else 0


def _credit(row: Credit) -> Item:
    return "customer:credit", row.asset, -row.amount


def _refund(row: Refund) -> Item:
    flies = row.status in {"held", "submitted"}
    return "refund:pending", row.asset, -row.amount if flies else 0


def _dispute(row: Dispute) -> Item:
    return "disputes:held", row.asset, row.amount if row.status == "opened" else 0


def _payout(row: Payout) -> Item:
    flies = row.status in {"held", "submitted"}
    return "payout:pending", row.asset, -row.amount if flies else 0


def _line(row: StatementLine) -> Item:
    """A bank is worth what its statements say, and what we say that they have yet to show."""
    return _bank(row.account), row.asset, row.minor if _bank(row.account) else 0


def _entry(row: BankItem) -> Item:
    return _bank(row.account), row.asset, row.minor if row.status == "open" else 0


def _bank(account: str) -> str:
    """What a gateway's statement says is no item of ours, but of an account that nobody has."""
    return account if account.startswith("bank:") else ""


def _purchase(row: Purchase) -> Item:
    return "grni", row.asset, row.cleared - row.received


ITEMS: Mapping[type[Row], Callable[..., Item]] = {
    Invoice: _invoice,
    Bill: _bill,
    Expense: _expense,
    Case: _case,
    Credit: _credit,
    Refund: _refund,
    Dispute: _dispute,
    Payout: _payout,
    Purchase: _purchase,
    StatementLine: _line,
    BankItem: _entry,
}
"""Every kind of row that is an item of a control account."""

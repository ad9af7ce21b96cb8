"""Which status may follow which, of every kind of row that has one.

A record holds the last image of a row only: a step here is any sequence of legal ones.
"""

from collections.abc import Mapping

from tables.balances import Hold
from tables.invoices import Invoice
from tables.journals import Conversion, Journal
from tables.payables import Bill, Expense
from tables.payments import Case, Dispute, GatewayCall, Payment, Refund
from tables.payouts import Payout
from tables.row import Row
from tables.settlements import Settlement, SettlementProof
from tables.statements import BankItem, Statement, StatementLine
from tables.subscriptions import Subscription
from tables.tax_documents import TaxDocument, TaxReturn

_NEXT: Mapping[type[Row], Mapping[str, str]] = {
    Invoice: {
        "": "draft open",
        "draft": "open void",
        "open": "partially_paid paid void uncollectible credited",
        # A refund takes back what was paid; a till's share gives way to its order's own invoice.
        "partially_paid": "open paid void uncollectible credited",
        "paid": "open partially_paid credited void",
        "credited": "open partially_paid paid void",
        "uncollectible": "credited void",
        "void": "",
    },
    Payment: {
        "": "requires_action",
        "requires_action": "processing succeeded expired cancelled",
        "processing": "requires_action requires_capture succeeded expired cancelled",
        "requires_capture": "processing succeeded",
        "expired": "succeeded",  # late money counts
        "cancelled": "succeeded",
        "succeeded": "",
    },
    GatewayCall: {
        "": "requested",
        "requested": "granted done",
        "granted": "done unknown",
        "unknown": "done",
        "done": "",
    },
    Hold: {
        "": "held",
        "held": "captured released expired",
        "captured": "",
        "released": "",
        "expired": "",
    },
    Case: {"": "open", "open": "closed", "closed": "open"},
    Refund: {
        "": "held submitted",
        "held": "submitted failed",
        "submitted": "completed failed",
        "completed": "failed",  # the payer's bank sent it back
        "failed": "",
    },
    Dispute: {"": "opened", "opened": "won lost", "won": "", "lost": ""},
    Bill: {
        "": "waiting open",
        "waiting": "open void",
        "open": "partially_paid paid",
        "partially_paid": "open paid",
        "paid": "partially_paid open",  # a payout came back
        "void": "",
    },
    Expense: {
        "": "requested approved paid",
        "requested": "approved paid rejected",
        "approved": "paid",
        "paid": "approved",
        "rejected": "",
    },
    Payout: {
        "": "held submitted",
        "held": "submitted failed",
        "submitted": "completed failed",
        "completed": "returned",
        "failed": "submitted",  # late truth counts
        "returned": "",
    },
    Settlement: {"": "collecting expected", "collecting": "expected", "expected": "settled"},
    SettlementProof: {
        "": "requested",
        "requested": "anchored failed",
        "failed": "requested anchored",
        "anchored": "",
    },
    Statement: {"": "reading read", "reading": "read", "read": ""},
    StatementLine: {
        "": "matched open",
        "matched": "resolved",  # what named nothing has a case
        "open": "resolved",
        "resolved": "",
    },
    BankItem: {"": "open matched", "open": "matched", "matched": ""},
    Journal: {
        "": "held posted",
        "held": "posted rejected",
        "posted": "reversed",
        "reversed": "",
        "rejected": "",
    },
    TaxDocument: {
        "": "waiting rejected",
        "waiting": "submitted rejected cancelled",
        "submitted": "declared rejected doubted",
        "doubted": "declared rejected",
        "rejected": "waiting cancelled",  # mended, or nobody is to be told any more
        "declared": "",
        "cancelled": "",
    },
    TaxReturn: {
        "": "open filed acknowledged",
        "open": "filed acknowledged",
        "filed": "acknowledged",
        "acknowledged": "",
    },
    Conversion: {
        "": "quoted",
        "quoted": "executing executed completed cancelled",
        "executing": "executed quoted",
        "executed": "completed",
        "completed": "",
        "cancelled": "",
    },
    Subscription: {"": "active", "active": "cancelled ended", "cancelled": "ended", "ended": ""},
}


def _closed(steps: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
    """Every status that can be reached from each, itself included; "" is before the first."""
    reached = {status: {status, *after.split()} for status, after in steps.items()}
    for after in steps.values():
        for status in after.split():
            reached.setdefault(status, {status})
    for _ in reached:
        for status, found in reached.items():
            reached[status] = found.union(*(reached[other] for other in found))
    return {status: frozenset(found) for status, found in reached.items()}


STEPS = {kind: _closed(steps) for kind, steps in _NEXT.items()}
"""By kind and status, which ones may be next."""


def broken_status(before: Row | None, after: Row) -> str:
    """Why a status may not come after another (None: the row is new); empty if it may."""
    steps = STEPS.get(type(after))
    if steps is None:
        return ""
    old = before.status if before is not None else ""  # type: ignore[attr-defined]
    new = after.status  # type: ignore[attr-defined]
    if new in steps.get(old, ()):
        return ""
    return f"from {old or 'nothing'} to {new}"

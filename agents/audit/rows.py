"""I12: what each kind of row keeps, from one record to the next: amounts, statuses, members."""

from collections.abc import Callable, Mapping

from agents.audit import documents
from agents.audit.keeping import kept, newer
from agents.audit.steps import broken_status
from tables.balances import Balance, Hold
from tables.invoices import Invoice
from tables.journals import Conversion, Journal
from tables.payables import Bill, Expense
from tables.payments import Case, Credit, Dispute, GatewayCall, Payment, Reference, Refund
from tables.payouts import Payout
from tables.purchases import Purchase
from tables.row import Row
from tables.settlements import Settlement, SettlementProof
from tables.statements import BankItem, StatementLine
from tables.subscriptions import Subscription
from tables.tax_documents import TaxBranch, TaxDocument, TaxReturn


def _payment(before: Payment | None, after: Payment) -> str:
    if after.amount <= 0:
        return f"an amount of {after.amount}"
    return (
        _proven(after)
        or _placed(after)
        or (
            (_attempts(before, after) if before is not None else "")
            or kept(
                before,
                after,
                *("asset", "amount", "order_id", "invoice_id", "created_ms"),
                *("quoted", "quoted_asset"),
            )
            or newer(before, after)
        )
    )


def _proven(after: Payment) -> str:
    if after.status == "succeeded" and not (after.provider_reference and after.received):
        return "succeeded without a provider's reference"
    if after.status == "processing" and not after.call_id:
        return "processing without a call"
    return ""


def _placed(after: Payment) -> str:
    parts = after.refunded, after.refund_pending, after.disputed, after.taken_back
    if min(*parts, after.refundable) < 0:
        return f"{after.refundable} refundable of {after.received}"
    placed = sum(placement.amount for placement in after.placements)
    if placed != after.received - after.refunded - after.refund_pending - after.taken_back:
        return f"{placed} placed of {after.received}"
    return ""


def _attempts(before: Payment, after: Payment) -> str:
    if after.attempt < before.attempt:
        return f"attempt {before.attempt} is followed by {after.attempt}"
    if (after.attempt == before.attempt) != (after.call_id == before.call_id):
        return f"attempt {after.attempt} has the call of another"
    if after.received < before.received or after.taken_back < before.taken_back:
        return "less was received or taken back than before"
    return ""


def _call(before: GatewayCall | None, after: GatewayCall) -> str:
    if after.status == "granted" and not after.nonce:
        return "granted to nobody"
    if before is not None:
        if before.nonce not in {"", after.nonce}:
            return "granted twice"
        if before.outcome == "succeeded" and after.outcome != "succeeded":
            return f"succeeded, then {after.outcome}"
        if before.status != "requested" and before.gateway != after.gateway:
            return "granted to one gateway and made at another"
    if after.gateways and after.gateway not in after.gateways:
        return f"made at {after.gateway}, which may not take it"
    return kept(before, after, "operation", "subject_id", "gateways", "code")


def _hold(before: Hold | None, after: Hold) -> str:
    if not 0 <= after.captured <= abs(after.minor):
        return f"{after.captured} captured of {abs(after.minor)}"
    return kept(before, after, "account", "asset", "minor")


def _case(before: Case | None, after: Case) -> str:
    if after.amount < 0 or bool(after.amount) == bool(after.call_id):
        return f"an amount of {after.amount}"
    return kept(before, after, "kind", "asset", "payment_id", "order_id", "call_id")


def _reference(before: Reference | None, after: Reference) -> str:
    return kept(before, after, "payment_id")


def _credit(_before: Credit | None, after: Credit) -> str:
    return "" if after.amount >= 0 else f"an amount of {after.amount}"


def _balance(before: Balance | None, after: Balance) -> str:
    if min(after.debits, after.credits, after.pending_debits, after.pending_credits) < 0:
        return "a side is below zero"
    if before and (after.debits < before.debits or after.credits < before.credits):
        return "debits or credits fell"
    return ""


def _subscription(before: Subscription | None, after: Subscription) -> str:
    if not 0 <= after.deferred <= after.deferred_total:
        return f"{after.deferred} deferred of {after.deferred_total}"
    if before is not None and after.period < before.period:
        return f"period {before.period} is followed by {after.period}"
    return kept(before, after, "customer_id", "asset", "began")


def _settlement(before: Settlement | None, after: Settlement) -> str:
    if before is not None and before.status != "collecting" and before.net != after.net:
        known_late = after.fees - before.fees if before.status == "expected" else 0
        if known_late <= 0 or before.net - after.net != known_late:
            return f"its net changed from {before.net} to {after.net} after its day"
    return kept(before, after, "account", "asset", "day", "provider")


def _proof(before: SettlementProof | None, after: SettlementProof) -> str:
    if (after.status == "anchored") != bool(after.tx_hash):
        return f"{after.status} by transaction {after.tx_hash or 'none'}"
    if before is not None and before.call_id == after.call_id:
        return kept(before, after, "root", "size", "provider") or newer(before, after)
    return newer(before, after)


def _line(before: StatementLine | None, after: StatementLine) -> str:
    if (after.status == "open") != bool(after.exception and after.unexplained):
        return f"{after.status} with {after.unexplained} unexplained"
    if after.status == "matched" and not after.rule:
        return "matched by no rule"
    return kept(before, after, "statement_id", "account", "asset", "minor", "day", "receipt")


def _bank_item(before: BankItem | None, after: BankItem) -> str:
    if (after.status == "matched") != bool(after.line_id):
        return f"{after.status} with line {after.line_id or 'none'}"
    return kept(before, after, "account", "asset", "minor", "day")


_RULES: Mapping[type[Row], Callable[..., str]] = {
    Invoice: documents.invoice,
    Bill: documents.bill,
    Expense: documents.expense,
    Payout: documents.payout,
    Refund: documents.refund,
    Dispute: documents.dispute,
    Purchase: documents.purchase,
    Journal: documents.journal,
    Conversion: documents.conversion,
    Payment: _payment,
    GatewayCall: _call,
    Hold: _hold,
    Case: _case,
    Reference: _reference,
    Credit: _credit,
    Balance: _balance,
    Subscription: _subscription,
    Settlement: _settlement,
    SettlementProof: _proof,
    StatementLine: _line,
    BankItem: _bank_item,
    TaxDocument: documents.tax_document,
    TaxBranch: documents.tax_branch,
    TaxReturn: documents.tax_return,
}
_MAY_GO: Mapping[type[Row], frozenset[str]] = {
    Invoice: frozenset({"paid", "void", "uncollectible", "credited"}),
    Payment: frozenset({"succeeded", "expired", "cancelled"}),
    GatewayCall: frozenset({"done"}),
    Hold: frozenset({"captured", "released", "expired"}),
    Case: frozenset({"closed"}),
}
"""In which statuses a row may leave the working set; others of the watched kinds never do."""

WATCHED = frozenset(kind.KIND.encode() for kind in _RULES)
"""The kinds of rows there are rules for, as keys begin."""


def broken_step(before: Row | None, after: Row | None) -> str:
    """Why a row of a watched kind may not change so; empty if it may. None: it is not there."""
    if after is None:
        status = getattr(before, "status", "")
        if before is None or status in _MAY_GO.get(type(before), ()):
            return ""
        return f"gone while {status}" if status else "gone"
    return broken_status(before, after) or _RULES[type(after)](before, after)

"""I12: the steps that rows may take between one record and the next.

A record holds the last image of a row only: a step here is any sequence of legal ones.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from tables.balances import Balance, Hold
from tables.invoices import Invoice
from tables.payments import Case, Credit, GatewayCall, Payment, Reference
from tables.row import Row

R = TypeVar("R", bound=Row)
Steps = Mapping[str, frozenset[str]]


def _closed(steps: Mapping[str, str]) -> Steps:
    """Every status that can be reached from each, itself included; `steps` name the next ones."""
    reached = {status: {status, *after.split()} for status, after in steps.items()}
    for _ in steps:
        for status, found in reached.items():
            reached[status] = found.union(*(reached[other] for other in found))
    return {status: frozenset(found) for status, found in reached.items()}


INVOICE = _closed(
    {
        "open": "partially_paid paid void uncollectible",
        "partially_paid": "paid void uncollectible",
        "paid": "void",  # a till's share only: its order's own invoice takes its place
        "void": "",
        "uncollectible": "",
    }
)
PAYMENT = _closed(
    {
        "requires_confirmation": "processing succeeded expired canceled",
        "processing": "requires_confirmation succeeded expired",
        "expired": "succeeded",  # late money counts
        "canceled": "succeeded",
        "succeeded": "",
    }
)
CALL = _closed(
    {
        "requested": "granted done",
        "granted": "done unknown",
        "unknown": "done",
        "done": "",
    }
)
HOLD = _closed({"held": "captured released expired", "captured": "", "released": "", "expired": ""})
CASE = _closed({"open": "closed", "closed": ""})


def _status(before: str | None, after: str, steps: Steps, first: str) -> str:
    """Why a status may not come after another (None: the row is new); empty if it may."""
    if after in steps.get(first if before is None else before, ()):
        return ""
    return f"from {before or 'nothing'} to {after}"


def _kept(before: Row | None, after: Row, *names: str) -> str:
    """The members among `names` that changed although they never may; empty if none did."""
    if before is None:
        return ""
    changed = [name for name in names if getattr(before, name) != getattr(after, name)]
    return f"{', '.join(changed)} changed" if changed else ""


def _newer(before: Invoice | Payment | None, after: Invoice | Payment) -> str:
    if before is None or after.version > before.version or after == before:
        return ""
    return f"version {before.version} is followed by {after.version}"


def _invoice(before: Invoice | None, after: Invoice) -> str:
    paid, total, status = after.paid, after.total, after.status
    if not 0 <= paid <= total:
        return f"{paid} paid of {total}"
    fits = {"open": paid == 0, "partially_paid": 0 < paid < total, "paid": paid == total}
    if not fits.get(status, True):
        return f"{status} with {paid} of {total}"
    if before is not None and paid < before.paid:
        return f"paid fell from {before.paid} to {paid}"
    if before is not None and (before.status, status) == ("paid", "void") and after.source != "pos":
        return "void after it was paid"
    return (
        _status(before.status if before else None, status, INVOICE, "open")
        or _kept(before, after, "order_id", "customer_id", "source", "asset", "total", "tax")
        or _newer(before, after)
    )


def _payment(before: Payment | None, after: Payment) -> str:
    if after.amount <= 0:
        return f"an amount of {after.amount}"
    if after.status == "succeeded" and not after.provider_reference:
        return "succeeded without a provider's reference"
    if after.status == "processing" and not after.call_id:
        return "processing without a call"
    if before is not None:
        if after.attempt < before.attempt:
            return f"attempt {before.attempt} is followed by {after.attempt}"
        if (after.attempt == before.attempt) != (after.call_id == before.call_id):
            return f"attempt {after.attempt} has the call of another"
    return (
        _status(before.status if before else None, after.status, PAYMENT, "requires_confirmation")
        or _kept(before, after, "asset", "amount", "order_id", "invoice_id", "created_ms")
        or _newer(before, after)
    )


def _call(before: GatewayCall | None, after: GatewayCall) -> str:
    if after.status == "granted" and not after.nonce:
        return "granted to nobody"
    if before is not None:
        if before.nonce not in {"", after.nonce}:
            return "granted twice"
        if before.outcome == "succeeded" and after.outcome != "succeeded":
            return f"succeeded, then {after.outcome}"
    return _status(before.status if before else None, after.status, CALL, "requested") or _kept(
        before, after, "gateway", "operation", "subject_id"
    )


def _hold(before: Hold | None, after: Hold) -> str:
    if not 0 <= after.captured <= abs(after.minor):
        return f"{after.captured} captured of {abs(after.minor)}"
    return _status(before.status if before else None, after.status, HOLD, "held") or _kept(
        before, after, "account", "asset", "minor"
    )


def _case(before: Case | None, after: Case) -> str:
    if after.amount <= 0:
        return f"an amount of {after.amount}"
    if before is not None and after.amount > before.amount:
        return f"grew from {before.amount} to {after.amount}"
    return _status(before.status if before else None, after.status, CASE, "open") or _kept(
        before, after, "kind", "asset", "payment_id", "order_id"
    )


def _reference(before: Reference | None, after: Reference) -> str:
    return _kept(before, after, "payment_id")


def _credit(_before: Credit | None, after: Credit) -> str:
    return "" if after.amount >= 0 else f"an amount of {after.amount}"


def _balance(before: Balance | None, after: Balance) -> str:
    if min(after.debits, after.credits, after.pending_debits, after.pending_credits) < 0:
        return "a side is below zero"
    if before and (after.debits < before.debits or after.credits < before.credits):
        return "debits or credits fell"
    return ""


_RULES: Mapping[type[Row], Callable[..., str]] = {
    Invoice: _invoice,
    Payment: _payment,
    GatewayCall: _call,
    Hold: _hold,
    Case: _case,
    Reference: _reference,
    Credit: _credit,
    Balance: _balance,
}
_MAY_GO: Mapping[type[Row], frozenset[str]] = {
    Invoice: frozenset({"paid", "void", "uncollectible"}),
    Payment: frozenset({"succeeded", "expired", "canceled"}),
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
    return _RULES[type(after)](before, after)

"""I12 of documents: what invoices, bills, expenses, payouts, refunds and the like always keep."""

from agents.audit.keeping import kept, newer
from tables.invoices import Invoice
from tables.journals import Conversion, Journal
from tables.payables import Bill, Expense
from tables.payments import Dispute, Refund
from tables.payouts import Payout
from tables.purchases import Purchase
from tables.tax_documents import TaxBranch, TaxDocument, TaxReturn


def invoice(before: Invoice | None, after: Invoice) -> str:
    """Reduced by no more than its total; its status is what its amounts say."""
    parts = (after.paid, after.credited, after.withheld, after.written_off)
    reduced, total, status = sum(parts), after.total, after.status
    if min(parts) < 0 or reduced > total:
        return f"{parts} of {total}"
    fits = {
        "draft": not reduced,
        "open": reduced < total and not after.paid and not after.withheld,
        "partially_paid": reduced < total and bool(after.paid or after.withheld),
        "paid": reduced == total,
        "credited": after.credited == total,
        "uncollectible": reduced == total and after.written_off > 0,
    }
    if not fits.get(status, True):
        return f"{status} with {parts} of {total}"
    if after.lines:
        net, tax = sum(x.net for x in after.lines), sum(x.tax for x in after.lines)
        if tax != after.tax or net + tax + sum(after.levies.values()) != total:
            return f"its lines sum to {net} and {tax}"
    if before is not None and (before.status, status) == ("paid", "void") and after.source != "pos":
        return "void after it was paid"
    return kept(
        before, after, "order_id", "customer_id", "source", "asset", "total", "tax"
    ) or newer(before, after)


def bill(before: Bill | None, after: Bill) -> str:
    """Paid and on its way no more than is owed."""
    owed = after.total - after.withheld + after.adjusted
    if min(after.paid, after.pending, after.withheld) < 0 or after.paid + after.pending > owed:
        return f"{after.paid} paid and {after.pending} pending of {owed}"
    if (after.status == "paid") != (after.paid == owed):
        return f"{after.status} with {after.paid} of {owed}"
    return kept(before, after, "supplier_id", "number", "asset", "total", "tax") or newer(
        before, after
    )


def expense(before: Expense | None, after: Expense) -> str:
    """Paid and on its way no more than it was."""
    if min(after.paid, after.pending) < 0 or after.paid + after.pending > after.total:
        return f"{after.paid} paid and {after.pending} pending of {after.total}"
    if after.paid and after.status not in {"approved", "paid"}:
        return f"paid while {after.status}"
    return kept(before, after, "asset", "total") or newer(before, after)


def payout(before: Payout | None, after: Payout) -> str:
    """An amount above zero that never changes; two people where one does not suffice."""
    if after.amount <= 0:
        return f"an amount of {after.amount}"
    if _let_go_alone(before, after, after.requested_by, "submitted"):
        return "approved by who asked for it"
    if after.status == "completed" and not after.provider_reference:
        return "completed without a provider's reference"
    return kept(before, after, "asset", "amount", "owed", "target", "subject", "account") or newer(
        before, after
    )


def _let_go_alone(
    before: Payout | Refund | Journal | None,
    after: Payout | Refund | Journal,
    asked: str,
    gone: str,
) -> bool:
    """Whether what waited for a second person went on by the word of the first."""
    waited = before is not None and before.status == "held"
    return waited and after.status in gone.split() and after.approved_by in {"", asked}


def refund(before: Refund | None, after: Refund) -> str:
    """What was taken for it is its amount."""
    if after.amount <= 0 or sum(part.amount for part in after.taken) != after.amount:
        return f"{after.amount} out of {after.taken}"
    if _let_go_alone(before, after, after.requested_by, "submitted completed"):
        return "approved by who asked for it"
    return kept(before, after, "asset", "amount", "payment_id", "taken") or newer(before, after)


def dispute(before: Dispute | None, after: Dispute) -> str:
    """An amount above zero, perhaps all of it beyond what was refundable, that never changes."""
    if after.amount < 0 or after.excess < 0 or not after.amount + after.excess:
        return f"an amount of {after.amount} and {after.excess} beyond"
    return kept(before, after, "asset", "amount", "excess", "payment_id") or newer(before, after)


def purchase(before: Purchase | None, after: Purchase) -> str:
    """Bills clear no more than came in, in all and by item."""
    if not 0 <= after.cleared <= after.received:
        return f"{after.cleared} cleared of {after.received}"
    for item in after.items:
        if not (0 <= item.billed <= item.received and item.cleared <= item.value):
            return f"{item.billed} billed of {item.received} {item.item_id}"
    return kept(before, after, "asset", "supplier_id")


def journal(before: Journal | None, after: Journal) -> str:
    """Legs that balance and never change."""
    sums: dict[str, int] = {}
    for leg in after.legs:
        sums[leg.asset] = sums.get(leg.asset, 0) + leg.minor
    if any(sums.values()):
        return f"its legs sum to {sums}"
    if _let_go_alone(before, after, after.posted_by, "posted reversed"):
        return "approved by who posted it"
    return kept(before, after, "legs", "day", "reverses") or newer(before, after)


def conversion(before: Conversion | None, after: Conversion) -> str:
    """The quote never changes; what was sent has a transaction."""
    if (after.status == "executed") > bool(after.tx_hash):
        return "executed by no transaction"
    return kept(before, after, "from_asset", "to_asset", "sold", "quoted") or newer(before, after)


def tax_document(before: TaxDocument | None, after: TaxDocument) -> str:
    """Lines that sum to it and never change; what is declared keeps its number."""
    total, tax = sum(x.total for x in after.lines), sum(x.tax for x in after.lines)
    if (total, tax) != (after.total, after.tax) or after.total <= 0:
        return f"its lines sum to {total} and {tax}"
    if not 0 <= after.credited <= after.total:
        return f"{after.credited} credited of {after.total}"
    if bool(after.number) != (after.status in {"submitted", "doubted", "declared"}):
        return f"{after.status} with number {after.number}"
    if before is not None and before.status == "declared" and before.number != after.number:
        return f"number {before.number} became {after.number}"
    return kept(
        before, after, "kind", "branch", "asset", "total", "tax", "lines", "original_id", "order_id"
    ) or newer(before, after)


def tax_branch(before: TaxBranch | None, after: TaxBranch) -> str:
    """Places in its queue only go up, and numbers, unless a person says where they begin."""
    if after.waiting < 0:
        return f"{after.waiting} wait"
    if before is not None:
        fell = after.number < before.number and after.began == before.began
        if fell or after.number < after.ours or after.first < before.first:
            return "its numbers fell"
        if after.last < before.last:
            return "its places fell"
    return newer(before, after)


def tax_return(before: TaxReturn | None, after: TaxReturn) -> str:
    """What was filed stays as it was; documents are only added."""
    if before is not None and before.status != "open" and before.boxes != after.boxes:
        return "its boxes changed after it was filed"
    if before is not None and after.documents < before.documents:
        return f"{after.documents} documents after {before.documents}"
    if after.undeclared < 0:
        return f"{after.undeclared} documents are not declared"
    return kept(before, after, "tax", "period", "asset") or newer(before, after)

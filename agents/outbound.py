"""Every outbound event: what it tells, and the members of its `data` in their order.

The first members of the guide's own events are the guide's; a test compares this table with what
the handlers emit. `sequence` grows with what happens to the resource that an event is about: of
two events of one type the greater is the later one, in whatever order they come. Exceptions have
none: each is about something a person looks at once.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Told(NamedTuple):
    """An outbound event: a sentence, and its members. Some kinds of exceptions tell fewer."""

    summary: str
    members: str


_INVOICE = "invoice_id customer_id amount due_date currency order_id tax_amount sequence"
_PAYOUT = (
    "payout_id target subject_id payee_id amount currency provider provider_reference fee"
    " reference sequence"
)
_DISPUTE = "dispute_id payment_id amount currency status reason fee sequence"

OUTBOUND: Mapping[str, Told] = {
    "treasury.payment.success": Told(
        "Money for a payment is here, proven by its provider or taken in cash: of each receipt.",
        "payment_id order_id amount provider_reference currency provider invoice_id late sequence",
    ),
    "treasury.payment.authorized": Told(
        "A payer's money is held for a payment until it is captured.",
        "payment_id order_id amount currency provider provider_reference sequence",
    ),
    "treasury.payment.failed": Told(
        "An attempt failed; the payment can be tried again unless this is final.",
        "payment_id order_id amount currency provider reason final sequence",
    ),
    "treasury.payment.ended": Told(
        "A payment is expired or cancelled: nobody is asked for it any more. Money may come late.",
        "payment_id order_id amount currency status failure sequence",
    ),
    "treasury.payment.refunded": Told(
        "Money is back with who paid it.",
        "payment_id refund_id order_id amount currency provider provider_reference reason sequence",
    ),
    "treasury.payment_link.generated": Told(
        "An invoice has a public page.",
        "invoice_id order_id customer_id amount currency path pay_code expires country sequence",
    ),
    "treasury.invoice.created": Told("A claim on a customer.", _INVOICE),
    "treasury.invoice.due": Told(
        "A reminder: so much is outstanding, so many days from the due date.",
        "invoice_id customer_id amount due_date currency order_id overdue sequence step_days final",
    ),
    "treasury.invoice.paid": Told(
        "Nothing is outstanding any more.",
        "invoice_id order_id customer_id amount currency sequence",
    ),
    "treasury.invoice.void": Told("A claim that never was.", _INVOICE),
    "treasury.settlement.generated": Told(
        "A day of a gateway account, or a closing of a drawer, is summed up.",
        "settlement_id provider account day amount currency gross refunds fees payouts disputes"
        " items expected_date sequence",
    ),
    "treasury.payout.completed": Told("A payout left the gateway.", _PAYOUT),
    "treasury.payout.failed": Told("A payout was not made.", f"{_PAYOUT} reason"),
    "treasury.payout.returned": Told("A payout came back.", f"{_PAYOUT} reason"),
    "treasury.expense.approved": Told(
        "An expense is owed, or was paid at once.",
        "expense_id category amount currency tax_amount project_id party_id approved_by status"
        " sequence",
    ),
    "treasury.dispute.opened": Told("A payer's bank took money back.", _DISPUTE),
    "treasury.dispute.closed": Told("A dispute was won or lost.", _DISPUTE),
    "treasury.tax_document.declared": Told(
        "The tax authority has recorded and signed a document.",
        "document_id kind invoice_id order_id branch number amount tax_amount currency"
        " receipt_number signature qr sequence",
    ),
    "treasury.budget.exceeded": Told(
        "A project has committed to more than its budget.",
        "project_id category amount currency committed actual remaining sequence",
    ),
    "treasury.balance.threshold": Told(
        "An account's balance has passed a line.", "account currency amount passed sequence"
    ),
    "treasury.reconciliation.exception": Told(
        "Something a person has to look at; `kind` says what.", "kind amount currency"
    ),
}

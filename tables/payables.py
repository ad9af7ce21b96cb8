"""What we owe: suppliers' bills and expenses; payable = Σ open bills + Σ unpaid approved expenses.

States of a bill: waiting (for goods, or for somebody to accept its price) → open → partially_paid →
paid; void while it waits. Of an expense: requested → approved → paid | rejected. Guarantees:
nothing is posted while a bill waits or an expense is not approved. Constraints: a supplier's number
comes once.
"""

import msgspec

from tables.row import Row, register


class BillLine(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One line of a bill: `quantity` in millionths, `net` minor units."""

    item_id: str
    quantity: int
    net: int


@register
class Bill(Row, frozen=True):
    """A supplier's bill; amounts in minor units, `total` with tax and before what is withheld.

    `tax_document` is the number under which the supplier declared it (eTIMS); without one
    its tax cannot be deducted.
    """

    KIND = "bl"
    KEY = ("tenant_id", "bill_id")

    tenant_id: str
    bill_id: str
    supplier_id: str
    number: str
    asset: str
    total: int
    tax: int
    status: str = "waiting"
    why: str = ""
    order_id: str = ""  # the purchase order, if there is one
    category: str = ""
    project_id: str = ""
    paid: int = 0
    pending: int = 0
    withheld: int = 0
    cleared: int = 0
    issued_date: str = ""
    due_date: str = ""
    lines: tuple[BillLine, ...] = ()
    accepted_by: str = ""
    created_ms: int = 0
    version: int = 1
    adjusted: int = 0
    tax_document: str = ""
    metadata: dict[str, str] = {}

    @property
    def net(self) -> int:
        """Without tax."""
        return self.total - self.tax

    @property
    def outstanding(self) -> int:
        """What we still owe, minor units; a payout in flight is no longer owed but pending."""
        if self.status not in {"open", "partially_paid"}:
            return 0
        return self.total - self.withheld - self.paid - self.pending + self.adjusted


@register
class BillNumber(Row, frozen=True):
    """The bill that a supplier's number names."""

    KIND = "bn"
    KEY = ("tenant_id", "supplier_id", "number")

    tenant_id: str
    supplier_id: str
    number: str
    bill_id: str


@register
class Expense(Row, frozen=True):
    """An expense; `total` with tax. `paid_from` is the account that paid at once, or empty."""

    KIND = "ex"
    KEY = ("tenant_id", "expense_id")

    tenant_id: str
    expense_id: str
    category: str
    asset: str
    total: int
    tax: int = 0
    party_id: str = ""
    project_id: str = ""
    outlet_id: str = ""
    source: str = ""
    paid_from: str = ""
    status: str = "requested"
    paid: int = 0
    pending: int = 0
    approved_by: str = ""
    created_ms: int = 0
    version: int = 1
    description: str = ""
    spent_day: str = ""
    told_ms: int = 0
    metadata: dict[str, str] = {}

    @property
    def net(self) -> int:
        """Without tax."""
        return self.total - self.tax

    @property
    def outstanding(self) -> int:
        """What we still owe for it, minor units."""
        if self.status != "approved" or self.paid_from:
            return 0
        return self.total - self.paid - self.pending

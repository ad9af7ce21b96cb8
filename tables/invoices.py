"""Invoices and the orders behind them.

States: open → partially_paid → paid; void; uncollectible. Guarantees: `paid` never exceeds
`total`; receivable equals the sum of open amounts at all times.
"""

from tables.row import Row, register


@register
class Invoice(Row, frozen=True):
    """A claim on a customer; amounts in minor units of `asset`, dates tenant-local, ISO 8601."""

    KIND = "iv"
    KEY = ("tenant_id", "invoice_id")

    tenant_id: str
    invoice_id: str
    order_id: str
    customer_id: str
    source: str
    asset: str
    total: int
    tax: int
    paid: int = 0
    status: str = "open"
    issued_date: str = ""
    due_date: str = ""
    outlet_id: str = ""
    version: int = 1

    @property
    def outstanding(self) -> int:
        """What is still to be paid, minor units."""
        return self.total - self.paid if self.status in {"open", "partially_paid"} else 0


@register
class Order(Row, frozen=True):
    """What is known of one order of a sister service: its invoice, its sale, money without a home.

    `sold` once a till has completed it. While `sold_asset` is set, revenue:pos and tax:output
    hold that sale (minor units) because no invoice of the order's own service came yet.
    `unapplied` are cases of payments that came before any invoice.
    """

    KIND = "or"
    KEY = ("tenant_id", "order_id")

    tenant_id: str
    order_id: str
    invoice_id: str = ""
    sold: bool = False
    sold_net: int = 0
    sold_tax: int = 0
    sold_asset: str = ""
    sold_outlet: str = ""
    unapplied: list[str] = []

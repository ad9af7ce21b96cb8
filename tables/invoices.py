"""Invoices and the orders behind them.

States: draft → open → partially_paid → paid; void (before any payment); credited (by credit notes
alone); uncollectible (written off). `overdue` and `disputed` are said besides. Guarantees: what is
paid, credited, withheld and written off never exceeds `total`; receivable equals the sum of
outstanding amounts at all times. Constraints: amount, currency, customer and tax never change; what
is paid or has a tax document is corrected by a credit note, never voided.
"""

import msgspec

from tables.row import Row, register


class Line(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One line: `net` and `tax` in minor units; `treatment` is standard, zero, exempt
    or, of who was not registered when it was priced, non_vat.

    `charge` is the service charge on it, which its tax is also of.
    """

    description: str
    quantity: str
    net: int
    tax: int
    treatment: str = "standard"
    prior_period: bool = False
    charge: int = 0


@register
class Invoice(Row, frozen=True):
    """A claim on a customer; amounts in minor units of `asset`, dates tenant-local, ISO 8601.

    `levies` are other taxes by account. `to_withhold` is what the customer will pay to the tax
    authority instead of us. `dunned` is the last reminder sent, in days from the due date.
    `tax_document_id` is what the tax authority is told of it, and `tax_status` how that stands.
    `disputes` counts the open ones of its payments.
    """

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
    credited: int = 0
    withheld: int = 0
    written_off: int = 0
    to_withhold: int = 0
    overdue: bool = False
    disputed: bool = False
    dunned: int | None = None
    project_id: str = ""
    reference: str = ""
    lines: tuple[Line, ...] = ()
    levies: dict[str, int] = {}
    metadata: dict[str, str] = {}
    link_token: str = ""
    created_ms: int = 0
    customer_name: str = ""
    customer_pin: str = ""
    tax_document_id: str = ""
    tax_status: str = ""
    disputes: int = 0
    from_credit: int = 0

    @property
    def outstanding(self) -> int:
        """What is still to be paid, minor units."""
        if self.status not in {"open", "partially_paid"}:
            return 0
        return self.total - self.paid - self.credited - self.withheld - self.written_off


@register
class InvoiceNumber(Row, frozen=True):
    """An invoice that a caller's reference names, as people may write it; there may be several."""

    KIND = "nu"
    KEY = ("tenant_id", "number", "invoice_id")

    tenant_id: str
    number: str
    invoice_id: str


@register
class Order(Row, frozen=True):
    """What is known of one order of a sister service: its invoice, its sale, money without a home.

    `sold` once a till has completed it. While `sold_asset` is set, revenue:pos and tax:output
    hold that sale (minor units) because no invoice of the order's own service came yet;
    `tax_document_id` is what the tax authority is told of it.
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
    sold_levies: dict[str, int] = {}
    tax_document_id: str = ""


@register
class PaymentLink(Row, frozen=True):
    """A public page for one invoice, found by its token; it ends with the invoice.

    Constraints: one per invoice; the token is the secret, and names no tenant.
    """

    KIND = "ln"
    KEY = ("tenant_id", "token")

    tenant_id: str
    token: str
    invoice_id: str
    created_ms: int = 0

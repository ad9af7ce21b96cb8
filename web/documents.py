"""What an invoice's and a receipt's page say. Pure: from rows to words, no IO, no clock.

Amounts are shown as people read them (KES 1,500.00), dates as the tenant's own days.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import segno
from markupsafe import Markup

from agents.accounting.tax import SERVICE_CHARGE, TOURISM_LEVY
from streams.money import exponent_of, format_minor
from streams.timestamps import local_day
from tables.invoices import Invoice, Line
from tables.payments import Payment
from tables.tax_documents import TaxDocument
from tables.tenants import Tenant

_LEVIES: Mapping[str, str] = {
    TOURISM_LEVY: "Tourism levy",
    SERVICE_CHARGE: "Service charge",
}
_STATES: Mapping[str, str] = {
    "draft": "Draft. Nothing is asked for yet.",
    "paid": "Paid. Thank you.",
    "void": "Taken back. There is nothing to pay.",
    "credited": "Credited. There is nothing to pay.",
    "uncollectible": "Closed.",
}
_WAYS: Mapping[str, str] = {
    "mpesa": "M-Pesa",
    "stripe": "Card",
    "paypal": "PayPal",
    "cash": "Cash",
    "instant": "Instant",
    "jenga": "Bank",
    "buni": "Bank",
    "ethereum": "Ethereum",
    "polygon": "Polygon",
}
_UNTAXED: Mapping[str, str] = {
    "zero": "zero-rated",
    "exempt": "exempt",
    "non_vat": "no VAT",
}
_OF_INVOICES = frozenset({"invoice", "quoted"})


@dataclass(frozen=True, slots=True)
class Seller:
    """Who asks for the money; `pin` and `registered_name` as the tax authority has them, if any."""

    name: str
    outlet: str = ""
    pin: str = ""
    registered_name: str = ""


NO_PICTURE = Markup()


@dataclass(frozen=True, slots=True)
class Fiscal:
    """What the tax authority gave a document: its number, and where it can be checked.

    `qr` is that address as a picture (SVG).
    """

    number: str
    url: str = ""
    qr: Markup = NO_PICTURE


def fiscal_of(document: TaxDocument | None) -> Fiscal | None:
    """Of a tax document that is declared; None while it is not, or where none is made."""
    if document is None or document.status != "declared":
        return None
    number = f"{document.branch}/{document.number}"
    if document.receipt_number:
        number = f"{number}, receipt {document.receipt_number}"
    if document.signature:
        number = f"{number}, {document.signature}"
    return Fiscal(number, document.qr, _picture(document.qr))


def _picture(text: str) -> Markup:
    """A QR code, dark on nothing; empty for an empty text."""
    if not text:
        return NO_PICTURE
    code = segno.make(text, error="m", micro=False)
    svg = code.svg_inline(scale=3, border=2, svgclass="qr", title="Scan to check at KRA")
    return Markup(svg)  # noqa: S704  made here of squares; the text is not in it


@dataclass(frozen=True, slots=True)
class Sum:
    """A line of a sum: words, and an amount."""

    words: str
    amount: str


@dataclass(frozen=True, slots=True)
class Item:
    """What was sold; `note` is how much of it, and how it is taxed."""

    words: str
    note: str
    amount: str


@dataclass(frozen=True, slots=True)
class Paid:
    """Money that came: `number` is the provider's receipt, `amount` what it paid here."""

    payment_id: str
    day: str
    way: str
    number: str
    amount: str


@dataclass(frozen=True, slots=True)
class InvoicePage:
    """An invoice as its customer sees it."""

    number: str
    seller: Seller
    buyer: str
    issued: str
    due: str
    items: Sequence[Item]
    sums: Sequence[Sum]
    total: str
    lowered: Sequence[Sum]
    payments: Sequence[Paid]
    outstanding: str
    is_due: bool
    overdue: bool
    state: str
    fiscal: Fiscal | None


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """A payment as its payer sees it; `uses` are what became of the money."""

    number: str
    seller: Seller
    buyer: str
    day: str
    way: str
    amount: str
    uses: Sequence[Sum]
    given_back: str
    fiscal: Fiscal | None


def invoice_page(
    tenant: Tenant,
    invoice: Invoice,
    payments: Sequence[Payment],
    *,
    seller: Seller,
    buyer: str = "",
    fiscal: Fiscal | None = None,
) -> InvoicePage:
    """The invoice, with those of the payments that paid some of it; `buyer` is a name, if known."""
    asset = invoice.asset
    return InvoicePage(
        number_of(invoice),
        seller,
        buyer or invoice.customer_id,
        invoice.issued_date,
        invoice.due_date,
        [_item(line, asset) for line in invoice.lines] or [_of_order(invoice)],
        [*_sums(invoice)],
        text(invoice.total, asset),
        [*_lowered(invoice)],
        [paid for payment in payments for paid in _paid(tenant, invoice, payment)],
        text(invoice.outstanding, asset),
        invoice.outstanding > 0,
        invoice.overdue,
        _STATES.get(invoice.status, ""),
        fiscal,
    )


def receipt_page(
    tenant: Tenant,
    payment: Payment,
    invoices: Mapping[str, Invoice],
    *,
    seller: Seller,
    buyer: str = "",
    fiscal: Fiscal | None = None,
) -> ReceiptPage:
    """A payment that was received, without what a chain has undone of it.

    `invoices` are those it paid, by id; one that is not among them is not named.
    """
    back = payment.refunded + payment.disputed
    return ReceiptPage(
        _receipt_number(payment),
        seller,
        buyer or payment.customer_id,
        _day(tenant, payment),
        way_of(payment),
        text(payment.received - payment.taken_back, payment.asset),
        [*_uses(payment, invoices)],
        text(back, payment.asset) if back else "",
        fiscal,
    )


def number_of(invoice: Invoice) -> str:
    """What an invoice is called by people: its own reference, its order's, else its id."""
    return invoice.reference or invoice.order_id or invoice.invoice_id


def way_of(payment: Payment) -> str:
    """By what it was paid, in a payer's words."""
    return _WAYS.get(payment.provider, payment.provider or payment.method)


def text(minor: int, asset: str) -> str:
    """An amount as people read it: KES 1,500.00."""
    digits = format_minor(abs(minor), exponent_of(asset))
    whole, point, decimals = digits.partition(".")
    return f"{asset} {'-' if minor < 0 else ''}{int(whole):,}{point}{decimals}"


def pays(payment: Payment, invoice_id: str) -> bool:
    """Whether some of its money paid this invoice."""
    return any(
        placed.kind in _OF_INVOICES and placed.subject == invoice_id
        for placed in payment.placements
    )


def _item(line: Line, asset: str) -> Item:
    taxed = _UNTAXED.get(line.treatment) or f"VAT {text(line.tax, asset)}"
    notes = [f"{line.quantity} ×" if line.quantity != "1" else "", taxed]
    if line.prior_period:
        notes.append("of the period before")
    note = " · ".join(note for note in notes if note)
    return Item(line.description or "Goods and services", note, text(line.net, asset))


def _of_order(invoice: Invoice) -> Item:
    """An invoice without lines is of its order as a whole."""
    words = f"Order {invoice.order_id}" if invoice.order_id else "Goods and services"
    return Item(words, "", text(_net(invoice), invoice.asset))


def _net(invoice: Invoice) -> int:
    return invoice.total - invoice.tax - sum(invoice.levies.values())


def _sums(invoice: Invoice) -> Iterator[Sum]:
    yield Sum("Net", text(_net(invoice), invoice.asset))
    yield Sum("VAT", text(invoice.tax, invoice.asset))
    for account, minor in invoice.levies.items():
        words = _LEVIES.get(account, account.rpartition(":")[2].replace("_", " ").capitalize())
        yield Sum(words, text(minor, invoice.asset))


def _lowered(invoice: Invoice) -> Iterator[Sum]:
    """What lowers the claim besides payments; what is to be withheld is said, and still open."""
    for words, minor in (
        ("Credited", invoice.credited),
        ("Withheld for the tax authority", invoice.withheld),
        ("Written off", invoice.written_off),
    ):
        if minor:
            yield Sum(words, text(minor, invoice.asset))
    if invoice.to_withhold:
        words = "Of it, to be withheld for the tax authority"
        yield Sum(words, text(invoice.to_withhold, invoice.asset))


def _paid(tenant: Tenant, invoice: Invoice, payment: Payment) -> Iterator[Paid]:
    """One line for what the payment paid of the invoice, in the currency that came."""
    if not pays(payment, invoice.invoice_id):
        return
    minor = sum(
        placed.amount
        for placed in payment.placements
        if placed.kind in _OF_INVOICES and placed.subject == invoice.invoice_id
    )
    yield Paid(
        payment.payment_id,
        _day(tenant, payment),
        way_of(payment),
        _receipt_number(payment),
        text(minor, payment.asset),
    )


def _uses(payment: Payment, invoices: Mapping[str, Invoice]) -> Iterator[Sum]:
    for placed in payment.placements:
        amount = text(placed.amount, payment.asset)
        if placed.kind in _OF_INVOICES:
            invoice = invoices.get(placed.subject)
            named = f"Invoice {number_of(invoice)}" if invoice is not None else "Another invoice"
            yield Sum(named, amount)
        elif placed.kind == "credit":
            yield Sum("Kept as your credit", amount)
        else:
            yield Sum("Received", amount)


def _receipt_number(payment: Payment) -> str:
    """The provider's receipt; where nobody gave one (cash), our own name of the payment."""
    return payment.provider_reference or payment.payment_id


def _day(tenant: Tenant, payment: Payment) -> str:
    """The tenant's day on which its money first came."""
    return local_day(payment.received_ms or payment.created_ms, tenant.time_zone)

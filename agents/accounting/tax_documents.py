"""Tax documents: what the tax authority is told of sales and credit notes.

A document posts nothing. How it is told, and what becomes of it, is in `tax_queue.py`.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from agents.accounting import tax, tax_months, tax_queue
from agents.effects import Effect, Put
from agents.registry import Event, View
from streams.ids import derive
from streams.money import half_up, tax_inclusive
from streams.timestamps import local_day
from tables.invoices import Invoice
from tables.tax_documents import TaxDocument, TaxLine
from tables.tenants import Tenant

OTHER_OUTLETS: Final = "*"
"""Among a tenant's branches: the one of every outlet that is not named."""
_LEVIES: Final = {tax.TOURISM_LEVY: "Tourism levy"}


def branch_of(tenant: Tenant, outlet_id: str) -> str:
    """The branch that numbers an outlet's documents; empty where none are made."""
    branches = tenant.settings.etims
    return branches.get(outlet_id) or branches.get(OTHER_OUTLETS, "")


# -- what a document says -------------------------------------------------------------------------


def named(tenant: Tenant, invoice: Invoice) -> Invoice:
    """An invoice that is about to be issued, with the name of its document if it is to have one."""
    if invoice.tax_document_id or not branch_of(tenant, invoice.outlet_id):
        return invoice
    status = status_at_first(invoice.asset)
    return invoice.replaced(tax_document_id=_own_id(invoice), tax_status=status)


def status_at_first(asset: str) -> str:
    """How the document of a sale in this currency begins."""
    return "waiting" if asset == tax_months.ASSET else "rejected"


def _own_id(invoice: Invoice) -> str:
    return derive(invoice.tenant_id, invoice.invoice_id, "tax_document", 0)


def of_invoice(event: Event[Any], view: View, tenant: Tenant, invoice: Invoice) -> Iterator[Effect]:
    """An invoice that was issued and names a document of its own: a sale on credit."""
    if invoice.tax_document_id != _own_id(invoice):
        return
    document = TaxDocument(
        event.tenant_id,
        invoice.tax_document_id,
        "sale",
        branch_of(tenant, invoice.outlet_id),
        invoice.asset,
        invoice.total,
        0,
        _lines_of(tenant, invoice),
        "credit",
        invoice_id=invoice.invoice_id,
        order_id=invoice.order_id,
        outlet_id=invoice.outlet_id,
        customer_id=invoice.customer_id,
        customer_name=invoice.customer_name,
        customer_pin=invoice.customer_pin,
    )
    yield from begin(event, view, tenant, document)


def begin(event: Event[Any], view: View, tenant: Tenant, document: TaxDocument) -> Iterator[Effect]:
    """A new document gets its day and its tax, and waits for its turn."""
    day = local_day(event.timestamp_ms, tenant.time_zone)
    rate = tax.standard_rate(tenant.country, day)
    lines = tuple(
        TaxLine(
            line.description,
            line.quantity,
            line.total,
            tax_inclusive(line.total, rate)[1] if line.treatment == "standard" else 0,
            line.treatment,
        )
        for line in document.lines
        if line.total
    )
    after = document.replaced(
        lines=lines,
        tax=sum(line.tax for line in lines),
        day=day,
        issued_ms=event.timestamp_ms,
        created_ms=event.now_ms,
    )
    yield from tax_months.begun(event, view, after)
    if after.asset != tax_months.ASSET:
        detail = f"documents are in {tax_months.ASSET}"
        yield from tax_queue.reject(view, after, "currency_unsupported", detail)
        return
    yield from tax_queue.wait(event, view, after)


def line(tenant: Tenant, description: str, total: int, vat: int) -> TaxLine:
    """A line of one thing in which there is VAT or none; how much its document reckons itself."""
    untaxed = tax.treated("exempt", registered=tenant.tax_registered)
    return TaxLine(description, "1", total, 0, "standard" if vat else untaxed)


def levies(given: Mapping[str, int]) -> Iterator[TaxLine]:
    """Levies besides VAT, which is not due on them; a service charge is a part of what was sold."""
    for account, minor in given.items():
        if account in _LEVIES:
            yield TaxLine(_LEVIES[account], "1", minor, 0, "non_vat")


def _lines_of(tenant: Tenant, invoice: Invoice) -> tuple[TaxLine, ...]:
    named = invoice.metadata.get("name", "").strip()
    label = named or f"{invoice.source} {invoice.order_id}".strip() or "invoice"
    if not invoice.lines:
        of_levies = list(levies(invoice.levies))
        rest = invoice.total - sum(each.total for each in of_levies)
        return (line(tenant, label, rest, invoice.tax), *of_levies)
    lines = (
        TaxLine(
            each.description.strip() or label,
            each.quantity,
            each.net + each.tax + each.charge,
            0,
            each.treatment,
        )
        for each in invoice.lines
    )
    return (*lines, *levies(invoice.levies))


# -- what takes a document back -------------------------------------------------------------------


def credit(
    event: Event[Any], view: View, document_id: str, amount: int, *, reason: str
) -> Iterator[Effect]:
    """A credit note over so much of a document that was made; of none, nothing.

    All credit notes of one number come to no more than it: what was told once more is credited
    under the number of that.
    """
    for original in _told_of(view, event.tenant_id, document_id):
        part = min(amount, original.total - original.credited)
        if part <= 0 or original.status == "cancelled":
            continue
        amount -= part
        credited = original.credited + part
        yield Put(original.replaced(credited=credited, version=original.version + 1))
        lines = _share(original, part)
        named = event.derive(f"credit_note.{original.document_id}")
        note = _about(named, original, "credit_note", lines, reason)
        yield from begin(event, view, view.tenant(event.tenant_id), note)


def uncredit(
    event: Event[Any], view: View, document_id: str, amount: int, *, reason: str
) -> Iterator[Effect]:
    """What was credited is owed or paid after all: the same sale is told once more."""
    told = list(_told_of(view, event.tenant_id, document_id))
    if not told:
        return
    original, last = told[0], told[-1]
    credited = original.total - sum(each.total - each.credited for each in told)
    amount = min(amount, credited)
    if amount <= 0:
        return
    named = event.derive(f"tax_document.{document_id}")
    yield Put(last.replaced(again_id=named, version=last.version + 1))
    lines = _share(original.replaced(credited=credited - amount), amount)
    again = _about(named, original, "sale", lines, reason)
    yield from begin(event, view, view.tenant(event.tenant_id), again)


def _told_of(view: View, tenant_id: str, document_id: str) -> Iterator[TaxDocument]:
    """A sale's document, and those that told once more what was credited of it, as they came."""
    while document_id:
        document = view.row(TaxDocument, tenant_id, document_id)
        if document is None:
            return
        yield document
        document_id = document.again_id


def _about(
    document_id: str, original: TaxDocument, kind: str, lines: tuple[TaxLine, ...], reason: str
) -> TaxDocument:
    """A document about a part of another one, in the same branch."""
    return TaxDocument(
        original.tenant_id,
        document_id,
        kind,
        original.branch,
        original.asset,
        sum(each.total for each in lines),
        0,
        lines,
        original.payment,
        invoice_id=original.invoice_id,
        order_id=original.order_id,
        outlet_id=original.outlet_id,
        original_id=original.document_id,
        customer_id=original.customer_id,
        customer_name=original.customer_name,
        customer_pin=original.customer_pin,
        reason=reason,
    )


def _share(original: TaxDocument, amount: int) -> tuple[TaxLine, ...]:
    """Lines of so much of a document, a line for each treatment.

    Shares grow with what is credited in all, none ever shrinks, and all come to the lines.
    """
    before, after = original.credited, original.credited + amount
    if (before, after) == (0, original.total):
        return original.lines
    sums: dict[str, int] = {}
    for each in original.lines:
        sums[each.treatment] = sums.get(each.treatment, 0) + each.total
    given, parts = _apportioned(sums, before), _apportioned(sums, after)
    name = f"Part of {original.lines[0].description}"
    return tuple(
        TaxLine(name, "1", part - given[treatment], 0, treatment)
        for treatment, part in parts.items()
    )


def _apportioned(sums: Mapping[str, int], amount: int) -> dict[str, int]:
    """So much of all sums, in whole cents and near their proportions: Webster's method, by which a
    greater amount gives none of them less.
    """
    total = sum(sums.values())
    parts = {name: half_up(whole * amount, total) for name, whole in sums.items()}

    def rank(name: str, cents: int) -> Fraction:
        return Fraction(sums[name], 2 * cents + 1)

    while sum(parts.values()) < amount:
        parts[max(sums, key=lambda name: rank(name, parts[name]))] += 1
    while sum(parts.values()) > amount:
        given = [name for name in reversed(list(sums)) if parts[name]]
        parts[min(given, key=lambda name: rank(name, parts[name] - 1))] -= 1
    return parts

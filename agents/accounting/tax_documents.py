"""Tax documents: what the tax authority is told of sales and credit notes, in a branch's order.

One document of a branch is on its way at a time. Its number is the one after the last that was
recorded: after a lost answer it is told again under the same number, and the number of a document
that was certainly not recorded is the next one's. A document posts nothing, and one that fails
keeps no money waiting.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from agents.accounting import tax
from agents.effects import (
    CALL_DEADLINE_MS,
    CallGateway,
    Delete,
    Effect,
    Emit,
    Put,
    Schedule,
)
from agents.registry import Event, View
from streams.ids import derive
from streams.money import exponent_of, format_minor, half_up, json_number, tax_inclusive
from streams.timestamps import format_ms, local_day
from tables.invoices import Invoice
from tables.tax_documents import TaxBranch, TaxDocument, TaxLine, TaxReturn, TaxWaiting
from tables.tenants import Tenant

GATEWAY, DECLARE, MOMENT = "kra", "declare", "declare"
COUNTRY, ASSET = "KE", "KES"
OTHER_OUTLETS = "*"
"""Among a tenant's branches: the one of every outlet that is not named."""
LATER: Final = frozenset(
    {
        *("gateway_unavailable", "not_sent", "not_configured", "branch_not_configured"),
        *("circuit_open", "not_reached", "provider_busy", "refused", "not_now"),
        "capability_unsupported",
    }
)
"""Failures that say nothing about a document: it is told again, under the same number."""
FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 60 * 1000, 60 * 60 * 1000
LONG = 6
"""After so many attempts that came to nothing, about an hour, people are told."""
_LEVIES = {tax.TOURISM_LEVY: "Tourism levy"}


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
    return "waiting" if asset == ASSET else "rejected"


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
    if after.asset != ASSET:
        detail = f"documents are in {ASSET}"
        yield from _reject(view, after, "currency_unsupported", detail)
        return
    yield from wait(event, view, after)


def line(tenant: Tenant, description: str, total: int, treatment: str = "standard") -> TaxLine:
    """A line of one thing; its tax is reckoned when its document begins."""
    return TaxLine(description, "1", total, 0, _treated(tenant, treatment))


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
        treatment = "standard" if invoice.tax else "exempt"
        return (line(tenant, label, rest, treatment), *of_levies)
    lines = (
        TaxLine(
            each.description.strip() or label,
            each.quantity,
            each.net + each.tax + each.charge,
            0,
            _treated(tenant, each.treatment),
        )
        for each in invoice.lines
    )
    return (*lines, *levies(invoice.levies))


def _treated(tenant: Tenant, treatment: str) -> str:
    """Who is not registered for VAT sells outside of it."""
    return treatment if tenant.tax_registered else "non_vat"


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


# -- one at a time --------------------------------------------------------------------------------


def wait(event: Event[Any], view: View, document: TaxDocument) -> Iterator[Effect]:
    """At the end of its branch's queue; the first of an idle branch goes at once."""
    branch = view.row(TaxBranch, event.tenant_id, document.branch)
    branch = branch or TaxBranch(event.tenant_id, document.branch, version=0)
    place = branch.last + 1
    yield Put(document.replaced(status="waiting", failure="", detail=""))
    yield from _of_its_invoice(view, document, "waiting")
    yield Put(TaxWaiting(event.tenant_id, document.branch, f"{place:012d}", document.document_id))
    yield Put(branch.replaced(last=place, version=branch.version + 1))
    if not branch.document_id:
        yield from _next(event, view, document.branch)


def _next(event: Event[Any], view: View, name: str) -> Iterator[Effect]:
    """The first that can go is on its way, if the branch has one."""
    branch = _branch(view, event.tenant_id, name)
    first = branch.first
    while first <= branch.last:
        waiting = view.row(TaxWaiting, event.tenant_id, name, f"{first:012d}")
        assert waiting is not None
        yield Delete(waiting.key)
        first += 1
        document = _document(view, event.tenant_id, waiting.document_id)
        if document.status != "waiting":
            continue
        if not _original_number(view, document) and document.kind == "credit_note":
            yield from _reject(view, document, "original_not_declared", "")
            continue
        after = branch.replaced(
            first=first,
            document_id=document.document_id,
            attempts=0,
            version=branch.version + 1,
        )
        yield from tell(event, view, after, numbered(event, branch, document))
        return
    yield Put(branch.replaced(first=first, document_id="", attempts=0, version=branch.version + 1))


def numbered(event: Event[Any], branch: TaxBranch, document: TaxDocument) -> TaxDocument:
    """The document under the branch's next number."""
    return document.replaced(number=branch.number + 1, numbered_ms=event.now_ms)


def tell(
    event: Event[Any], view: View, branch: TaxBranch, document: TaxDocument
) -> Iterator[Effect]:
    """A call that declares the document under its number, the first or once more."""
    call_id = event.derive("declaration", int(branch.branch))
    yield Put(branch.replaced(retry_ms=0))
    after = document.replaced(status="submitted", call_id=call_id, version=document.version + 1)
    yield Put(after)
    request = _request(after, view.tenant(event.tenant_id), _original_number(view, after))
    deadline_ms = event.log_ms + CALL_DEADLINE_MS
    yield CallGateway(call_id, GATEWAY, DECLARE, after.document_id, request, deadline_ms)


def _request(document: TaxDocument, tenant: Tenant, original_number: int) -> dict[str, Any]:
    def text(minor: int) -> str:
        return format_minor(minor, exponent_of(document.asset))

    return {
        "document_id": document.document_id,
        "kind": document.kind,
        "number": document.number,
        "original_number": original_number,
        "branch": document.branch,
        "issued_at": format_ms(document.issued_ms),
        "payment": document.payment,
        "currency": document.asset,
        "total": text(document.total),
        "tax": text(document.tax),
        "lines": [
            {
                "description": each.description,
                "quantity": each.quantity,
                "total": text(each.total),
                "tax": text(each.tax),
                "treatment": each.treatment,
            }
            for each in document.lines
        ],
        "trader_name": tenant.name,
        "customer_name": document.customer_name,
        "customer_pin": document.customer_pin,
        "reason": document.reason,
    }


def _original_number(view: View, document: TaxDocument) -> int:
    """The number of what a credit note is about; 0 for none, or one that is not declared."""
    if document.kind != "credit_note":
        return 0
    original = _document(view, document.tenant_id, document.original_id)
    return original.number if original.status == "declared" else 0


# -- how it ended ---------------------------------------------------------------------------------


def declared(
    event: Event[Any], view: View, document: TaxDocument, says: Mapping[str, str]
) -> Iterator[Effect]:
    """It is recorded under its number; the next one goes."""
    after = _signed(document, says).replaced(
        status="declared", failure="", detail="", version=document.version + 1
    )
    yield Put(after)
    yield from _of_its_invoice(view, after, "declared")
    yield _of_its_month(event, view, after)
    yield Emit("treasury.tax_document.declared", told(after))
    branch = _branch(view, event.tenant_id, document.branch)
    yield Put(branch.replaced(number=document.number, version=branch.version + 1))
    yield from _next(event, view, document.branch)


def _of_its_month(event: Event[Any], view: View, document: TaxDocument) -> Put:
    """The month's return has it: a sale adds, a credit note takes off."""
    period = document.day[:7]
    row = view.row(TaxReturn, event.tenant_id, f"vat-{period}")
    row = row or TaxReturn(
        event.tenant_id,
        f"vat-{period}",
        "vat",
        period,
        document.asset,
        created_ms=event.now_ms,
        version=0,
    )
    sign = -1 if document.kind == "credit_note" else 1
    gross, taxes = dict(row.gross), dict(row.taxes)
    for each in document.lines:
        gross[each.treatment] = gross.get(each.treatment, 0) + sign * each.total
        taxes[each.treatment] = taxes.get(each.treatment, 0) + sign * each.tax
    after = row.replaced(
        gross=gross, taxes=taxes, documents=row.documents + 1, version=row.version + 1
    )
    return Put(after)


def unsigned(document: TaxDocument) -> Emit:
    """It is recorded, and nobody heard its signature: perhaps what is recorded is another's."""
    detail = "recorded without a signature: see whether it is this document"
    return _exception("tax_document_unsigned", document, "unsigned", detail)


def signed_late(document: TaxDocument, says: Mapping[str, str]) -> Iterator[Effect]:
    """It was recorded before; an answer that was late has its signature."""
    if not document.signature and says.get("signature"):
        after = _signed(document, says).replaced(version=document.version + 1)
        yield Put(after)
        yield Emit("treasury.tax_document.declared", told(after))


def _signed(document: TaxDocument, says: Mapping[str, str]) -> TaxDocument:
    names = ("receipt_number", "signature", "signed_at", "qr")
    return document.replaced(**{name: says[name] for name in names if says.get(name)})


def rejected(
    event: Event[Any], view: View, document: TaxDocument, failure: str, detail: str
) -> Iterator[Effect]:
    """It cannot be recorded as it is. Its number is the next one's, unless an earlier attempt may
    have been recorded: then its branch waits until a person has looked.
    """
    if document.doubted:
        yield Put(
            document.replaced(
                status="doubted", failure=failure, detail=detail, version=document.version + 1
            )
        )
        yield _exception("tax_document_doubted", document, failure, detail)
        return
    yield from _reject(view, document, failure, detail)
    yield from _next(event, view, document.branch)


def _reject(view: View, document: TaxDocument, failure: str, detail: str) -> Iterator[Effect]:
    after = document.replaced(
        status="rejected",
        number=0,
        doubted=False,
        failure=failure,
        detail=detail,
        version=document.version + 1,
    )
    yield Put(after)
    yield from _of_its_invoice(view, after, "rejected")
    yield _exception("tax_document_rejected", after, failure, detail)


def later(
    event: Event[Any],
    view: View,
    document: TaxDocument,
    failure: str,
    detail: str,
    *,
    doubted: bool = False,
) -> Iterator[Effect]:
    """Nothing is known of it, or nobody could be asked: the same once more, after a pause."""
    branch = _branch(view, event.tenant_id, document.branch)
    pause_ms = min(FIRST_PAUSE_MS << min(branch.attempts, 10), LONGEST_PAUSE_MS)
    retry_ms = event.log_ms + pause_ms
    attempts = branch.attempts + 1
    after = document.replaced(
        doubted=document.doubted or doubted,
        failure=failure,
        detail=detail,
        version=document.version + 1,
    )
    yield Put(after)
    yield Put(branch.replaced(attempts=attempts, retry_ms=retry_ms, version=branch.version + 1))
    yield Schedule(retry_ms, MOMENT, document.branch, log_time=True)
    if attempts == LONG:
        yield _exception("tax_document_delayed", after, failure, detail)


def again(event: Event[Any], view: View, branch: TaxBranch) -> Iterator[Effect]:
    """The document that is on its way is told once more."""
    document = _document(view, event.tenant_id, branch.document_id)
    yield from tell(event, view, branch.replaced(version=branch.version + 1), document)


def resolved(
    event: Event[Any], view: View, document: TaxDocument, *, recorded: bool, signature: str
) -> Iterator[Effect]:
    """A person looked whether a document that was doubted is recorded."""
    if recorded:
        yield from declared(event, view, document, {"signature": signature})
        return
    yield from _reject(view, document, document.failure, document.detail)
    yield from _next(event, view, document.branch)


def cancel(document: TaxDocument) -> Iterator[Effect]:
    """It waits, or was rejected, and nobody is to be told any more, by a person neither."""
    yield Put(document.replaced(status="cancelled", version=document.version + 1))


def _of_its_invoice(view: View, document: TaxDocument, status: str) -> Iterator[Effect]:
    """Who reads the invoice sees how its document stands."""
    invoice = view.row(Invoice, document.tenant_id, document.invoice_id)
    if invoice is None or invoice.tax_document_id != document.document_id:
        return
    if invoice.tax_status != status:
        yield Put(invoice.replaced(tax_status=status, version=invoice.version + 1))


def told(document: TaxDocument) -> dict[str, Any]:
    """What `treasury.tax_document.declared` says."""
    return {
        "document_id": document.document_id,
        "kind": document.kind,
        "invoice_id": document.invoice_id,
        "order_id": document.order_id,
        "branch": document.branch,
        "number": document.number,
        "amount": json_number(document.total, document.asset),
        "tax_amount": json_number(document.tax, document.asset),
        "currency": document.asset,
        "receipt_number": document.receipt_number,
        "signature": document.signature,
        "qr": document.qr,
        "sequence": document.version,
    }


def _exception(kind: str, document: TaxDocument, failure: str, detail: str) -> Emit:
    said = {
        "kind": kind,
        "document_id": document.document_id,
        "invoice_id": document.invoice_id,
        "order_id": document.order_id,
        "branch": document.branch,
        "amount": json_number(document.total, document.asset),
        "currency": document.asset,
        "reason": failure,
        "detail": detail,
    }
    return Emit("treasury.reconciliation.exception", said)


def _branch(view: View, tenant_id: str, name: str) -> TaxBranch:
    branch = view.row(TaxBranch, tenant_id, name)
    assert branch is not None
    return branch


def _document(view: View, tenant_id: str, document_id: str) -> TaxDocument:
    document = view.row(TaxDocument, tenant_id, document_id)
    assert document is not None
    return document

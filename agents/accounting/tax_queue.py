"""The queue of a branch: tax documents on their way to the tax authority, one at a time.

A document's number is the one after the last that was recorded: after a lost answer it is told
again under the same number, and the number of a document that was certainly not recorded is the
next one's. One that fails keeps no money waiting.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from agents.accounting import tax_months
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
from streams.money import exponent_of, format_minor, json_number
from streams.timestamps import format_ms
from tables.invoices import Invoice
from tables.tax_documents import TaxBranch, TaxDocument, TaxWaiting
from tables.tenants import Tenant

GATEWAY, DECLARE, MOMENT = "kra", "declare", "declare"
DECLARATION: Final = "declaration"
"""What an event names the call by that it makes for a branch."""
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
            yield from reject(view, document, "original_not_declared", "")
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
    call_id = event.derive(DECLARATION, int(branch.branch))
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
    yield from tax_months.declared(event, view, after)
    yield Emit("treasury.tax_document.declared", told(after))
    branch = _branch(view, event.tenant_id, document.branch)
    yield Put(branch.replaced(number=document.number, version=branch.version + 1))
    yield from _next(event, view, document.branch)


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
    yield from reject(view, document, failure, detail)
    yield from _next(event, view, document.branch)


def reject(view: View, document: TaxDocument, failure: str, detail: str) -> Iterator[Effect]:
    """It is not recorded, and is not told again before a person has mended it."""
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
    yield from reject(view, document, document.failure, document.detail)
    yield from _next(event, view, document.branch)


def cancel(event: Event[Any], view: View, document: TaxDocument) -> Iterator[Effect]:
    """It waits, or was rejected, and nobody is to be told any more, by a person neither."""
    after = document.replaced(status="cancelled", version=document.version + 1)
    yield Put(after)
    yield from _of_its_invoice(view, after, "cancelled")
    yield from tax_months.cancelled(event, view, after)


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

"""A tax document on its way to the tax authority: recorded, rejected, or to be told once more."""

from collections.abc import Iterator
from typing import Any

from agents.accounting import tax_queue
from agents.effects import Effect, Refuse
from agents.registry import Event, View
from tables.payments import GatewayCall
from tables.tax_documents import TaxDocument


def succeeded(event: Event[Any], view: View, call: GatewayCall) -> Iterator[Effect]:
    """It is recorded. Several calls may say so: they are about one document under one number.

    What is heard of a number that it no longer has is refused: that one is another document's.
    """
    document = _document(view, call)
    if call.created_ms < document.numbered_ms:
        yield Refuse("tax_document_renumbered")
        return
    says = {"signature": event.data.provider_reference, **event.data.says}
    if document.status in {"submitted", "doubted"}:
        yield from tax_queue.declared(event, view, document, says)
        if not says["signature"]:
            yield tax_queue.unsigned(_document(view, call))
    elif document.status == "declared":
        yield from tax_queue.signed_late(document, says)
    else:
        yield Refuse(f"tax_document_{document.status}")


def failed(event: Event[Any], view: View, call: GatewayCall, failure: str) -> Iterator[Effect]:
    """It was not recorded by this call, for certain."""
    document, detail = _document(view, call), getattr(event.data, "detail", "")
    if not _is_latest(document, call):
        return
    if failure in tax_queue.LATER:
        yield from tax_queue.later(event, view, document, failure, detail)
    else:
        yield from tax_queue.rejected(event, view, document, failure, detail)


def unknown(event: Event[Any], view: View, call: GatewayCall) -> Iterator[Effect]:
    """It may be recorded: telling it again under its number is how to ask."""
    document, detail = _document(view, call), getattr(event.data, "detail", "")
    if _is_latest(document, call):
        yield from tax_queue.later(event, view, document, "unknown", detail, doubted=True)


def _is_latest(document: TaxDocument, call: GatewayCall) -> bool:
    return document.status == "submitted" and document.call_id == call.call_id


def _document(view: View, call: GatewayCall) -> TaxDocument:
    document = view.row(TaxDocument, call.tenant_id, call.subject_id)
    assert document is not None
    return document

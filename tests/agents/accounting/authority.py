"""The tax authority of a test: what it is told, and what it answers."""

import json
from typing import Any

from tables.invoices import Invoice
from tables.payments import GatewayCall
from tables.tax_documents import TaxDocument
from tests.agents.accounting.books import Books

BRANCHES = {"*": "00", "westlands": "01"}
SIGNED = {"signature": "SIGN", "receipt_number": "7", "qr": "https://kra.example/q"}


def invoice(books: Books, amount: str = "1160.00", **more: Any) -> Invoice:
    answer = books.done("invoice.create", amount=amount, customer_id="c", **more)
    return books.row(Invoice, answer["invoice_id"])


def of(books: Books, row: Invoice) -> TaxDocument:
    """The tax document of an invoice as it is now."""
    return books.row(TaxDocument, books.row(Invoice, row.invoice_id).tax_document_id)


def answered(books: Books, document: TaxDocument, outcome: str = "succeeded", **more: Any) -> Any:
    """What eTIMS says of the document that is on its way; the request that it was sent."""
    document = books.row(TaxDocument, document.document_id)
    assert document.status == "submitted"
    if outcome == "succeeded":
        more = {"provider_reference": "SIGN", "says": SIGNED, **more}
    call = books.row(GatewayCall, document.call_id)
    request = sent(books, call.call_id)
    books.gateway(call.call_id, outcome, **more)
    return request


def sent(books: Books, call_id: str) -> dict[str, Any]:
    [call] = [
        call for entry in books.core.entries for call in entry.calls if call.call_id == call_id
    ]
    return json.loads(call.request)


def documents(books: Books) -> list[tuple[str, str, int]]:
    """Kind, status and number of all, as they came."""
    rows = sorted(books.rows(TaxDocument), key=lambda row: (row.created_ms, row.number))
    return [(row.kind, row.status, row.number) for row in rows]


def all_answered(books: Books) -> None:
    """eTIMS records whatever is on its way, until nothing is."""
    while flies := [row for row in books.rows(TaxDocument) if row.status == "submitted"]:
        for row in flies:
            answered(books, row)


def declared(books: Books, order_id: str) -> int:
    """What was declared of an order, credit notes taken off."""
    signs = {"sale": 1, "credit_note": -1}
    rows = (row for row in books.rows(TaxDocument) if row.order_id == order_id)
    return sum(signs[row.kind] * row.total for row in rows if row.status == "declared")


def exceptions(books: Books) -> list[str]:
    return [said["kind"] for said in books.emitted("reconciliation.exception")]

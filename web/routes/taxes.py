"""Lines of the route table for taxes: documents, the branches that number them, returns."""

from tables.tax_documents import TaxBranch, TaxCertificate, TaxDocument, TaxReturn
from web import answers, scopes
from web.api import taxes
from web.call import Route
from web.lines import TENANT, act, collection, resource
from web.schemas import ref

TAXES: tuple[Route, ...] = (
    collection("/tax-documents", TaxDocument, scopes.INVOICES_READ, "order_id"),
    Route(
        "GET",
        f"{TENANT}/tax-documents/{{document_id}}",
        taxes.get_document,
        scopes.INVOICES_READ,
        summary="Get a tax document; wait some seconds for its signature.",
        filters=("wait_s",),
        shows=ref("TaxDocument"),
    ),
    act(
        "/tax-documents/{document_id}/declare",
        "tax_document.declare",
        scopes.INVOICES_WRITE,
        "Tell the tax authority now: of one that was rejected, or that is retried.",
    ),
    act(
        "/tax-documents/{document_id}/resolve",
        "tax_document.resolve",
        scopes.BOOKS_WRITE,
        "Say whether a document that was doubted is recorded.",
    ),
    *resource("/tax-branches", TaxBranch, "branch", scopes.INVOICES_READ),
    act(
        "/tax-branches/{branch}/number",
        "tax_branch.number",
        scopes.BOOKS_WRITE,
        "Say which number was the last that was recorded before.",
    ),
    *resource("/tax-returns", TaxReturn, "return_id", scopes.BOOKS_READ),
    act(
        "/tax-returns",
        "tax_return.file",
        scopes.BOOKS_CLOSE,
        "Note that a return was filed, with its boxes.",
    ),
    act(
        "/tax-returns/{return_id}/acknowledge",
        "tax_return.acknowledge",
        scopes.BOOKS_CLOSE,
        "Note the authority's number for a return.",
    ),
    Route(
        "GET",
        f"{TENANT}/vat-returns/{{period}}",
        taxes.get_vat_return,
        scopes.BOOKS_READ,
        summary="The boxes of a month's VAT return as they stand; JSON or CSV.",
        filters=("format",),
        shows=answers.VAT_RETURN,
    ),
    *resource("/tax-certificates", TaxCertificate, "certificate_id", scopes.BOOKS_READ),
    act(
        "/tax-certificates",
        "tax_certificate.note",
        scopes.BOOKS_WRITE,
        "Keep a certificate that the tax authority issued.",
    ),
)

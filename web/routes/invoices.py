"""Lines of the route table for invoices to customers."""

from tables.invoices import Invoice
from web import scopes
from web.api import documents
from web.api.resources import FILTERS, getting, list_invoices
from web.call import Route
from web.lines import API, TENANT, act
from web.schemas import paged, ref

_OF_ORDER = ("order_id", "customer_id")

INVOICES: tuple[Route, ...] = (
    act("/invoices", "invoice.create", scopes.INVOICES_WRITE, "Create an invoice.", within=API),
    act("/invoices", "invoice.create", scopes.INVOICES_WRITE, "Create an invoice."),
    Route(
        "GET",
        f"{TENANT}/invoices",
        list_invoices,
        scopes.INVOICES_READ,
        summary="List invoices to customers, or (type=supplier) bills of suppliers, newest first.",
        shows=paged({"anyOf": [ref("Invoice"), ref("Bill")]}),
        filters=(*FILTERS, *_OF_ORDER, "due_from", "due_to", "type", "metadata"),
        paged=True,
    ),
    Route(
        "GET",
        f"{TENANT}/invoices/{{invoice_id}}",
        getting(Invoice, "invoice_id"),
        scopes.INVOICES_READ,
        summary="Get an invoice.",
        shows=ref("Invoice"),
    ),
    Route(
        "GET",
        f"{TENANT}/invoices/{{invoice_id}}/page",
        documents.invoice_by_id,
        scopes.INVOICES_READ,
        summary="The page of an invoice (HTML), to read and to print.",
    ),
    *(
        act(f"/invoices/{{invoice_id}}/{verb}", command, scopes.INVOICES_WRITE, summary)
        for verb, command, summary in (
            ("issue", "invoice.issue", "Make an open invoice of a draft."),
            ("void", "invoice.void", "Take an invoice back that nobody paid anything of."),
            ("credit", "invoice.credit", "Lower an invoice by a credit note."),
            ("write-off", "invoice.write_off", "Give up what is outstanding."),
            ("withhold", "invoice.withhold", "Note what the customer withheld for the tax office."),
            ("apply-credit", "invoice.apply_credit", "Pay an invoice from its customer's credit."),
        )
    ),
)

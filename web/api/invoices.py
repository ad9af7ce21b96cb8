"""Invoices: get and list. They come into being by events, not here."""

from aiohttp import web

from streams.money import plain
from tables.invoices import Invoice
from tables.postgres.lists import ResourceFilter, microseconds_of, resource, resources
from web import shapes
from web.call import Call
from web.lists import json_response, page_response, read_page, reading
from web.problems import not_found


async def get_invoice(call: Call) -> web.StreamResponse:
    """One invoice, as committed now; those that left the working set, as they last were."""
    invoice_id = call.request.match_info["invoice_id"]
    async with call.context.desk.view(call.tenant_id) as view:
        invoice = view.row(Invoice, call.tenant_id, invoice_id)
    if invoice is None:
        async with reading(call) as connection:
            body = await resource(connection, call.tenant_id, Invoice.KIND, invoice_id)
        if body is None:
            raise not_found()
        invoice = Invoice(**plain(body))
    return json_response(shapes.invoice(invoice))


async def list_invoices(call: Call) -> web.StreamResponse:
    """Invoices, newest first; due dates are tenant-local and both ends count."""
    page = read_page(call)
    wanted = ResourceFilter(
        status=page.text("status"),
        order_id=page.text("order_id"),
        customer_id=page.text("customer_id"),
        due_from=page.day("due_from"),
        due_to=page.day("due_to"),
    )
    async with reading(call) as connection:
        rows = await resources(
            connection,
            call.tenant_id,
            Invoice.KIND,
            wanted,
            after=page.time_and_id,
            limit=page.limit + 1,
        )
    shown = rows[: page.limit]
    last = None
    if len(rows) > page.limit:
        last = [microseconds_of(shown[-1]["created_at"]), shown[-1]["id"]]
    found = [shapes.invoice(Invoice(**plain(row["body"]))) for row in shown]
    return page_response(call, page, found, last)

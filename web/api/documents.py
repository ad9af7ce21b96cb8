"""Pages of invoices and receipts, to read and to print: by the token of a payment link, or by id.

They are made of the read models, so that any worker shows them and a closed invoice still has one;
what was decided within the last second may not be on them yet. The token shows its own invoice and
the payments that paid some of it, and nothing else.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from aiohttp import web

from streams.money import plain
from tables.invoices import Invoice, PaymentLink
from tables.payments import Payment
from tables.postgres.configuration import read_values
from tables.postgres.documents import customer_name, invoices_of, payments_of, row_of
from tables.postgres.pool import tenant_transaction
from tables.tax_documents import TaxDocument
from tables.tenants import Outlet, Tenant
from web.api.paying import is_token
from web.api.resources import one
from web.api_keys import AWAY
from web.call import Call
from web.documents import Fiscal, Seller, fiscal_of, invoice_page, pays, receipt_page
from web.limits import RATES
from web.lists import reading
from web.pages import page
from web.problems import not_found, unavailable


async def invoice_by_id(call: Call) -> web.StreamResponse:
    """The page of an invoice, for callers of the API."""
    invoice = await one(call, Invoice, call.request.match_info["invoice_id"])
    async with reading(call) as connection:
        return await _invoice(connection, call.tenant_id, invoice)


async def receipt_by_id(call: Call) -> web.StreamResponse:
    """The page of a payment's receipt, for callers of the API; 404 while nothing is received."""
    payment = await one(call, Payment, call.request.match_info["payment_id"])
    if payment.received <= payment.taken_back:
        raise not_found()
    async with reading(call) as connection:
        return await _receipt(connection, call.tenant_id, payment)


async def invoice_of_link(call: Call) -> web.StreamResponse:
    """The page of the invoice that a payment link is about. Public."""
    async with _linked(call) as (connection, tenant_id, invoice):
        if invoice is None:
            return _gone()
        token = call.request.match_info["token"]
        return await _invoice(connection, tenant_id, invoice, link=f"/pay/{token}")


async def receipt_of_link(call: Call) -> web.StreamResponse:
    """The page of one payment of that invoice. Public."""
    payment_id = call.request.match_info["payment_id"]
    async with _linked(call) as (connection, tenant_id, invoice):
        if invoice is None:
            return _gone()
        payment = await row_of(connection, Payment, tenant_id, payment_id)
        if payment is None or not pays(payment, invoice.invoice_id):
            return _gone()
        token = call.request.match_info["token"]
        return await _receipt(connection, tenant_id, payment, linked=invoice, link=f"/pay/{token}")


@asynccontextmanager
async def _linked(call: Call) -> AsyncIterator[tuple[asyncpg.Connection, str, Invoice | None]]:
    """The read models of the link's tenant, and the link's invoice; None for no such link.

    Raises `Problem` 503 when Postgres is away.
    """
    token = call.request.match_info["token"]
    try:
        tenant_id = await call.context.tenant_of_link(token) if is_token(token) else None
        if tenant_id is None:
            yield None, "", None
            return
        call.request.app[RATES].take(tenant_id)
        async with tenant_transaction(call.context.pool, tenant_id, readonly=True) as connection:
            link = await row_of(connection, PaymentLink, tenant_id, token)
            wanted = link.invoice_id if link is not None else ""
            yield connection, tenant_id, await row_of(connection, Invoice, tenant_id, wanted)
    except AWAY as error:
        raise unavailable("lists-unavailable", "Try again in a moment.") from error


async def _invoice(
    connection: asyncpg.Connection, tenant_id: str, invoice: Invoice, *, link: str = ""
) -> web.Response:
    tenant = await _tenant(connection, tenant_id)
    shown = invoice_page(
        tenant,
        invoice,
        await payments_of(connection, tenant_id, invoice.invoice_id),
        seller=await _seller(connection, tenant, invoice.outlet_id),
        buyer=invoice.customer_name
        or await customer_name(connection, tenant_id, invoice.customer_id),
        fiscal=await _fiscal(connection, tenant_id, invoice),
    )
    return page("invoice", shown=shown, pay=link, receipts=f"{link}/receipts" if link else "")


async def _receipt(
    connection: asyncpg.Connection,
    tenant_id: str,
    payment: Payment,
    *,
    linked: Invoice | None = None,
    link: str = "",
) -> web.Response:
    """By a link, of all invoices that it paid only the link's own is named: others may be other
    people's.
    """
    tenant = await _tenant(connection, tenant_id)
    if linked is not None:
        invoices = {linked.invoice_id: linked}
    else:
        ids = [placed.subject for placed in payment.placements]
        invoices = await invoices_of(connection, tenant_id, ids)
    first = next(iter(invoices.values()), None)
    customer_id = payment.customer_id or (first.customer_id if first else "")
    shown = receipt_page(
        tenant,
        payment.replaced(customer_id=customer_id),
        invoices,
        seller=await _seller(connection, tenant, first.outlet_id if first else ""),
        buyer=await customer_name(connection, tenant_id, customer_id),
        fiscal=await _fiscal(connection, tenant_id, first),
    )
    return page("receipt", shown=shown, invoice=f"{link}/invoice" if link else "")


async def _fiscal(
    connection: asyncpg.Connection, tenant_id: str, invoice: Invoice | None
) -> Fiscal | None:
    named = invoice.tax_document_id if invoice is not None else ""
    return fiscal_of(await row_of(connection, TaxDocument, tenant_id, named) if named else None)


async def _tenant(connection: asyncpg.Connection, tenant_id: str) -> Tenant:
    """The tenant as projected; its id for its name while that is on its way."""
    found = await row_of(connection, Tenant, tenant_id, tenant_id)
    return found or Tenant(tenant_id, tenant_id)


async def _seller(connection: asyncpg.Connection, tenant: Tenant, outlet_id: str) -> Seller:
    outlet = None
    if outlet_id:
        outlet = await row_of(connection, Outlet, tenant.tenant_id, outlet_id)
    tax = await read_values(connection, tenant.tenant_id, "tax")
    said = plain(tax[0]["value"].encode()) if tax else {}
    return Seller(
        tenant.name,
        outlet.name if outlet is not None else outlet_id,
        said.get("pin", ""),
        said.get("registered_name", ""),
    )


def _gone() -> web.Response:
    return page("gone", status=404)

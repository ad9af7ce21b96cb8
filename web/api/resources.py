"""Resources of all kinds: one as committed now, and lists from the read models, newest first."""

from collections.abc import Mapping
from typing import Any, TypeVar

import asyncpg
from aiohttp import web

from agents.shown import shown
from streams.money import plain
from tables.invoices import Invoice
from tables.payables import Bill
from tables.postgres.lists import ResourceFilter, resource, resources
from tables.row import Row, restored
from web.call import Call, Handler
from web.lists import Page, bad_parameter, json_response, keyset_response, read_page, reading
from web.problems import not_found

R = TypeVar("R", bound=Row)
FILTERS = ("status", "party", "created_from", "created_to")
"""What every list takes."""


def getting(kind: type[Row], member: str) -> Handler:
    """The handler that shows one row; `member` names its id in the path."""

    async def handle(call: Call) -> web.StreamResponse:
        return json_response(shown(await one(call, kind, call.request.match_info[member])))

    return handle


async def one(call: Call, kind: type[R], row_id: str) -> R:
    """As committed now; those that left the working set, as they last were. Raises 404."""
    async with call.context.desk.view(call.tenant_id) as view:
        row = view.row(kind, call.tenant_id, row_id)
    if row is not None:
        return row
    async with reading(call) as connection:
        body = await resource(connection, call.tenant_id, kind.KIND, row_id)
    if body is None:
        raise not_found()
    return restored(kind, plain(body))


def listing(kind: type[Row]) -> Handler:
    """The handler that lists rows of a kind."""

    async def handle(call: Call) -> web.StreamResponse:
        return await _list(call, kind, read_page(call))

    return handle


async def list_invoices(call: Call) -> web.StreamResponse:
    """Invoices to customers, or with `type=supplier` the bills of suppliers."""
    page = read_page(call)
    kinds: Mapping[str, type[Row]] = {"": Invoice, "sales": Invoice, "supplier": Bill}
    kind = kinds.get(page.text("type"))
    if kind is None:
        raise bad_parameter("type", "sales or supplier")
    return await _list(call, kind, page)


async def _list(call: Call, kind: type[Row], page: Page) -> web.StreamResponse:
    wanted = ResourceFilter(
        status=page.text("status"),
        order_id=page.text("order_id"),
        customer_id=page.text("party") or page.text("customer_id"),
        created_from=page.moment("created_from"),
        created_to=page.moment("created_to", end=True),
        due_from=page.day("due_from"),
        due_to=page.day("due_to"),
        account=page.text("account"),
        statement_id=page.text("statement_id"),
        metadata=_metadata(page.text("metadata")),
    )
    return await list_of(call, kind, page, wanted)


def _metadata(text: str) -> tuple[str, str] | None:
    """Name and value of a filter like till:7. Raises `Problem` 400."""
    name, colon, value = text.partition(":")
    if text and not (name and colon):
        raise bad_parameter("metadata", "a name and its value, like till:7")
    return (name, value) if text else None


async def list_of(
    call: Call, kind: type[Row], page: Page, wanted: ResourceFilter
) -> web.StreamResponse:
    """A page of rows of a kind."""
    async with reading(call) as connection:
        rows = await resources(
            connection,
            call.tenant_id,
            kind.KIND,
            wanted,
            after=page.time_and_id,
            limit=page.limit + 1,
        )

    def show(row: asyncpg.Record) -> dict[str, Any]:
        return shown(restored(kind, plain(row["body"])))

    return keyset_response(call, page, rows, ("created_at", "id"), show)

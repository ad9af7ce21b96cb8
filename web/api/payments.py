"""Payment intents: create, confirm, get, list."""

from aiohttp import web

from agents.commands import CONFIRM, CREATE_INTENT
from agents.shown import shown
from streams.money import plain
from tables.payments import Payment
from tables.postgres.lists import ResourceFilter, microseconds_of, resource, resources
from web import scopes
from web.api.models import ConfirmBody
from web.auth import require_scope
from web.call import Call
from web.commands import command
from web.lists import json_response, page_response, read_page, reading
from web.problems import not_found


async def create_intent(call: Call) -> web.StreamResponse:
    """A new intent waits for its confirmation."""
    return await command(call, CREATE_INTENT)


async def confirm(call: Call) -> web.StreamResponse:
    """An attempt by a method. Only a provider's proof, or cash under its own scope, pays."""
    assert isinstance(call.model, ConfirmBody)
    assert call.claims is not None
    if call.model.method == "cash":
        require_scope(call.claims, scopes.PAYMENTS_CASH)
    return await command(call, CONFIRM)


async def get_intent(call: Call) -> web.StreamResponse:
    """One intent, as committed now; those that left the working set, as they last were."""
    payment_id = call.request.match_info["payment_id"]
    async with call.context.desk.view(call.tenant_id) as view:
        payment = view.row(Payment, call.tenant_id, payment_id)
    if payment is None:
        async with reading(call) as connection:
            body = await resource(connection, call.tenant_id, Payment.KIND, payment_id)
        if body is None:
            raise not_found()
        payment = Payment(**plain(body))
    return json_response(shown(payment))


async def list_intents(call: Call) -> web.StreamResponse:
    """Intents, newest first."""
    page = read_page(call)
    wanted = ResourceFilter(
        status=page.text("status"),
        order_id=page.text("order_id"),
        customer_id=page.text("customer_id"),
        created_from=page.moment("created_from"),
        created_to=page.moment("created_to", end=True),
    )
    async with reading(call) as connection:
        rows = await resources(
            connection,
            call.tenant_id,
            Payment.KIND,
            wanted,
            after=page.time_and_id,
            limit=page.limit + 1,
        )
    some = rows[: page.limit]
    last = None
    if len(rows) > page.limit:
        last = [microseconds_of(some[-1]["created_at"]), some[-1]["id"]]
    found = [shown(Payment(**plain(row["body"]))) for row in some]
    return page_response(call, page, found, last)

"""Confirming a payment: cash needs a scope of its own. And what was tried for one."""

from aiohttp import web

from agents.commands import CONFIRM
from tables.payments import GatewayCall, Payment
from tables.postgres.lists import ResourceFilter
from web import scopes
from web.api.resources import list_of, one
from web.auth import require_scope
from web.call import Call
from web.commands import command
from web.lists import read_page


async def confirm(call: Call) -> web.StreamResponse:
    """An attempt by a method. Only a provider's proof, or cash under its own scope, pays."""
    assert call.claims is not None
    if getattr(call.model, "method", "") == "cash":
        require_scope(call.claims, scopes.PAYMENTS_CASH)
    return await command(call, CONFIRM)


async def list_attempts(call: Call) -> web.StreamResponse:
    """Calls to gateways that were made for a payment, newest first. 404 if there is none."""
    page = read_page(call)
    payment = await one(call, Payment, call.request.match_info["payment_id"])
    wanted = ResourceFilter(subject_id=payment.payment_id)
    return await list_of(call, GatewayCall, page, wanted)

"""Confirming a payment: cash needs a scope of its own."""

from aiohttp import web

from agents.commands import CONFIRM
from web import scopes
from web.auth import require_scope
from web.call import Call
from web.commands import command


async def confirm(call: Call) -> web.StreamResponse:
    """An attempt by a method. Only a provider's proof, or cash under its own scope, pays."""
    assert call.claims is not None
    if getattr(call.model, "method", "") == "cash":
        require_scope(call.claims, scopes.PAYMENTS_CASH)
    return await command(call, CONFIRM)

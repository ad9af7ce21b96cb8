"""Gateways as a tenant has them: what each can do here, and how it has fared.

How it fares now is this worker's own word (its breaker, its last calls); what the tenant's calls of
a day came to is the ledger's.
"""

import asyncio
from datetime import timedelta
from typing import Annotated, Any

import structlog
from aiohttp import web
from pydantic import Field

from agents.accounting.methods import METHODS, account_of
from agents.roles.secret_store import put_secret
from connectors.base import CallError, Refused
from connectors.callbacks import Rows
from connectors.registry import CONNECTORS, SERVICES
from streams.errors import Misconfigured, Unreadable
from tables.postgres.gateways import calls_by_outcome
from web import scopes
from web.api.callbacks import append, gateway_of
from web.api.statements import read_in, statement_of
from web.api_keys import AWAY
from web.bodies import Body, NoControls
from web.call import Call
from web.configuring import configuring
from web.lists import json_response, reading
from web.problems import Problem, not_found, unavailable

WITHIN = timedelta(days=1)
SEALING_WAITS_S = (0.1, 1.0, 2.0, 5.0, 10.0)
_log = structlog.get_logger("web.connectors")


class ActBody(Body):
    """What an action needs, by name."""

    values: Annotated[
        dict[
            Annotated[NoControls, Field(min_length=1, max_length=40)],
            Annotated[NoControls, Field(max_length=16_000)],
        ],
        Field(max_length=10),
    ] = {}


async def list_all(call: Call) -> web.StreamResponse:
    """Every gateway there is, usable here or not."""
    async with reading(call) as connection:
        rows = await calls_by_outcome(connection, call.tenant_id, WITHIN)
    outcomes: dict[str, dict[str, int]] = {name: {} for name in CONNECTORS}
    for row in rows:
        if row["gateway"] in outcomes:
            outcomes[row["gateway"]][row["outcome"]] = row["count"]
    shown = [await _shown(call, name, outcomes[name]) for name in sorted(CONNECTORS)]
    services = {"callback_url": _callback_url(call, SERVICES)}
    return json_response({"data": shown, "services": services})


async def act(call: Call) -> web.StreamResponse:
    """Have a gateway do something besides calls; what it tells by that is decided like a callback.

    It moves no money of ours, so that it may be asked for again.
    """
    assert isinstance(call.model, ActBody)
    match, callbacks = call.request.match_info, call.context.callbacks
    name, action = match["provider"], match["action"]
    if not callbacks.gateways.knows(name):
        raise not_found()
    gateway = await gateway_of(callbacks, call.tenant_id, name)
    if action not in gateway.actions:
        raise not_found()
    told_at = callbacks.addresses.of(name, call.tenant_id)
    try:
        acted = await gateway.act(action, told_at, call.model.values)
    except Refused as error:
        raise Problem(422, "provider-refused", f"{error.failure}: {error.reason}"[:300]) from None
    except CallError as error:
        raise unavailable(
            "provider-unavailable", f"{name} did not answer: {error.reason}"
        ) from None
    for member, value in acted.sealed.items():
        await _seal(call, f"{name}.{member}", value)
    for heard in acted.heard:
        if isinstance(heard, Rows):
            await read_in(call, account_of(name, "collect"), statement_of(heard))
        else:
            await append(call, call.tenant_id, name, heard)
    return json_response(dict(acted.says))


async def _seal(call: Call, name: str, value: str) -> None:
    """Keep a secret that the provider gave once. It is lost if Postgres is away for longer than its
    caller waits; then only the provider can help.
    """
    for wait_s in SEALING_WAITS_S:
        try:
            async with configuring(call) as change:
                about = change.connection, call.context.keyring, call.tenant_id, name, value
                row = await put_secret(*about, by=change.actor, now=change.now)
                if row is not None:
                    await change.note("secret.put", name, {"version": row.version})
                    return
        except Problem:
            _log.warning("secret not sealed yet", tenant_id=call.tenant_id, name=name)
        await asyncio.sleep(wait_s)
    _log.error("secret lost", tenant_id=call.tenant_id, name=name)
    raise unavailable("secret-lost", "The provider gave a secret that could not be kept.")


async def _shown(call: Call, name: str, outcomes: dict[str, int]) -> dict[str, Any]:
    ended = {outcome: outcomes.get(outcome, 0) for outcome in ("succeeded", "failed", "unknown")}
    ended["failed"] += outcomes.get("not_sent", 0)
    return {
        "provider": name,
        "methods": sorted(method for method, served in METHODS.items() if name in served),
        "capabilities": sorted(CONNECTORS[name].capabilities),
        **await _here(call, name),
        "callback_url": _callback_url(call, name),
        "last_day": {**ended, "open": sum(outcomes.values()) - sum(ended.values())},
    }


def _callback_url(call: Call, name: str) -> str:
    """What the gateway's dashboard is given, without the kind; its token is for who configures."""
    assert call.claims is not None
    if scopes.SETTINGS_WRITE not in call.claims.scopes:
        return ""
    return call.context.callbacks.addresses.of(name, call.tenant_id)


async def _here(call: Call, name: str) -> dict[str, Any]:
    """What it can do with the tenant's credentials, or why it cannot be used."""
    gateways = call.context.callbacks.gateways
    unusable: dict[str, Any] = {
        "operations": [],
        "actions": [],
        "credentials": "",
        "breaker": None,
        "trouble": None,
    }
    if not gateways.knows(name):
        return {"state": "not_here", "reason": "", **unusable}
    try:
        found = await gateways.of(call.tenant_id, name)
    except (Misconfigured, Unreadable) as error:
        return {"state": "not_configured", "reason": str(error), **unusable}
    except AWAY as error:
        raise unavailable("configuration-unavailable", "Try again in a moment.") from error
    gateway = found.gateway
    return {
        "state": "usable",
        "reason": "",
        "operations": sorted(gateway.operations),
        "actions": sorted(gateway.actions),
        "credentials": found.credentials,
        "breaker": gateway.breaker,
        "trouble": gateway.trouble,
    }

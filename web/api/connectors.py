"""Gateways as a tenant has them: what each can do here, and how it has fared.

How it fares now is this worker's own word (its breaker, its last calls); what the tenant's calls of
a day came to is the ledger's.
"""

from datetime import timedelta
from typing import Any

from aiohttp import web

from agents.accounting.methods import METHODS
from connectors.registry import CONNECTORS
from streams.errors import Misconfigured, Unreadable
from tables.postgres.gateways import calls_by_outcome
from web.call import Call
from web.lists import json_response, reading

WITHIN = timedelta(days=1)


async def list_all(call: Call) -> web.StreamResponse:
    """Every gateway there is, usable here or not."""
    async with reading(call) as connection:
        rows = await calls_by_outcome(connection, call.tenant_id, WITHIN)
    outcomes: dict[str, dict[str, int]] = {name: {} for name in CONNECTORS}
    for row in rows:
        if row["gateway"] in outcomes:
            outcomes[row["gateway"]][row["outcome"]] = row["count"]
    return json_response(
        {"data": [await _shown(call, name, outcomes[name]) for name in sorted(CONNECTORS)]}
    )


async def _shown(call: Call, name: str, outcomes: dict[str, int]) -> dict[str, Any]:
    ended = {outcome: outcomes.get(outcome, 0) for outcome in ("succeeded", "failed", "unknown")}
    return {
        "provider": name,
        "methods": sorted(method for method, served in METHODS.items() if name in served),
        "capabilities": sorted(CONNECTORS[name].capabilities),
        **await _here(call, name),
        "last_day": {**ended, "open": sum(outcomes.values()) - sum(ended.values())},
    }


async def _here(call: Call, name: str) -> dict[str, Any]:
    """What it can do with the tenant's credentials, or why it cannot be used."""
    gateways = call.context.callbacks.gateways
    unusable: dict[str, Any] = {
        "operations": [],
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
    gateway = found.gateway
    return {
        "state": "usable",
        "reason": "",
        "operations": sorted(gateway.operations),
        "credentials": found.credentials,
        "breaker": gateway.breaker,
        "trouble": gateway.trouble,
    }

"""A tenant's settings as its decisions have them, and its plain configuration (web/tier_two.py)."""

from typing import Any

import asyncpg
import msgspec
from aiohttp import web

from agents.accounting.settings import told
from connectors.chain.assets import TAKEN
from tables.postgres import configuration
from tables.postgres.chains import add_wallets
from web.bodies import Body, validated
from web.call import Call
from web.configuring import configuring
from web.lists import json_response, reading
from web.problems import Problem, not_found
from web.shapes import instant
from web.tenants import tenant_of
from web.tier_two import VALUES


class PutValueBody(Body):
    """A value; what it must look like depends on its name."""

    value: dict[str, Any]


async def get_settings(call: Call) -> web.StreamResponse:
    """The tenant and its choices, as committed now."""
    async with call.context.desk.view(call.tenant_id) as view:
        return json_response(told(tenant_of(view, call)))


async def put(call: Call) -> web.StreamResponse:
    """Keep a value under a name; the audit log has it, and what it was before.

    A wallet that was named once is watched for ever, also when it is not shown to payers any more.
    """
    assert isinstance(call.model, PutValueBody)
    name = _known_name(call)
    value = validated(VALUES[name], call.model.value).model_dump()
    async with configuring(call) as change:
        if name in TAKEN and not await add_wallets(
            change.connection, call.tenant_id, name, value["wallets"]
        ):
            raise Problem(409, "wallet-taken", "One of these wallets is another tenant's.")
        text = msgspec.json.encode(value).decode()
        row = await configuration.put_value(
            change.connection, call.tenant_id, name, text, by=change.actor, now=change.now
        )
        await change.note("configuration.put", name, {"version": row["version"], "value": value})
    return json_response(_shown(row))


async def remove(call: Call) -> web.StreamResponse:
    """Forget a value. Done twice, it is done."""
    name = _known_name(call)
    async with configuring(call) as change:
        if await configuration.remove_value(change.connection, call.tenant_id, name):
            await change.note("configuration.remove", name)
    return json_response(_unset(name))


async def get(call: Call) -> web.StreamResponse:
    """One name's value."""
    name = _known_name(call)
    async with reading(call) as connection:
        rows = await configuration.read_values(connection, call.tenant_id, name)
    return json_response(_shown(rows[0]) if rows else _unset(name))


async def list_all(call: Call) -> web.StreamResponse:
    """Every name there is, set or not."""
    async with reading(call) as connection:
        rows = await configuration.read_values(connection, call.tenant_id)
    found = {row["name"]: _shown(row) for row in rows}
    return json_response({"data": [found.get(name) or _unset(name) for name in sorted(VALUES)]})


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "name": row["name"],
        "state": "set",
        "value": msgspec.Raw(row["value"].encode()),
        "version": row["version"],
        "written_at": instant(row["written_at"]),
        "written_by": row["written_by"],
    }


def _unset(name: str) -> dict[str, Any]:
    return {"name": name, "state": "unset"}


def _known_name(call: Call) -> str:
    name = call.request.match_info["name"]
    if name not in VALUES:
        raise not_found()
    return name

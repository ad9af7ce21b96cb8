"""Parties: what each customer, supplier and payee owes or is owed, and how old it is."""

from datetime import date
from typing import Any

import asyncpg
from aiohttp import web

from streams.money import exponent_of, format_minor
from streams.timestamps import local_date
from tables.postgres.parties import AMOUNTS, is_known, parties
from web.call import Call
from web.lists import json_response, page_response, parameters, read_page, reading
from web.problems import not_found
from web.tenants import tenant_of

CURRENCIES_MAX = 1_000


async def list_parties(call: Call) -> web.StreamResponse:
    """A line for each party and currency with something open, by party; ages as of today."""
    page, today = read_page(call), await _today(call)
    after = None if page.after is None else (str(page.after[0]), str(page.after[1]))
    async with reading(call) as connection:
        rows = await parties(connection, call.tenant_id, today, after=after, limit=page.limit + 1)
    some = rows[: page.limit]
    last = [some[-1]["party"], some[-1]["asset"]] if len(rows) > page.limit else None
    return page_response(call, page, [_line(row) for row in some], last)


async def get_party(call: Call) -> web.StreamResponse:
    """One party, in all its currencies; without lines if nothing is open."""
    parameters(call)
    party_id, today = call.request.match_info["party_id"], await _today(call)
    async with reading(call) as connection:
        rows = await parties(
            connection, call.tenant_id, today, party_id=party_id, limit=CURRENCIES_MAX
        )
        if not rows and not await is_known(connection, call.tenant_id, party_id):
            raise not_found()
    lines = [_line(row) for row in rows]
    return json_response({"party_id": party_id, "as_of": today.isoformat(), "data": lines})


async def _today(call: Call) -> date:
    """The tenant's day, by its own clock."""
    async with call.context.desk.view(call.tenant_id) as view:
        tenant = tenant_of(view, call)
    return local_date(call.context.clock_ms() + tenant.ahead_ms, tenant.time_zone)


def _line(row: asyncpg.Record) -> dict[str, Any]:
    exponent = exponent_of(row["asset"])
    amounts = {name: format_minor(int(row[name]), exponent) for name in AMOUNTS}
    return {"party_id": row["party"], "currency": row["asset"], **amounts}

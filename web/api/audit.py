"""The audit log: who changed the configuration, and who asked for which command."""

from functools import partial
from typing import Any

import asyncpg
import msgspec
from aiohttp import web

from tables.postgres import audit
from tables.postgres.users import names_of
from web.call import Call
from web.lists import keyset_response, read_page, reading
from web.shapes import instant


async def list_lines(call: Call) -> web.StreamResponse:
    """Lines, newest first: changes of configuration and commands of the ledger together."""
    page = read_page(call)
    async with reading(call) as connection:
        rows = await audit.lines(
            connection,
            call.tenant_id,
            actor=page.text("actor"),
            action=page.text("action"),
            since=page.moment("from"),
            until=page.moment("to", end=True),
            after=page.behind,
            limit=page.limit + 1,
        )
        names = await names_of(connection, call.tenant_id, [row["actor"] for row in rows])
    return keyset_response(call, page, rows, ("at", "id"), partial(_shown, names))


def _shown(names: dict[str, str], row: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": row["id"],
        "at": instant(row["at"]),
        "actor": row["actor"],
        "actor_name": names.get(row["actor"], ""),
        "action": row["action"],
        "resource": row["resource"],
        "outcome": row["outcome"],
        "request_id": row["request_id"],
        "detail": msgspec.Raw(row["detail"].encode()),
    }

"""The ledger's entries, with their postings."""

import asyncpg
from aiohttp import web

from tables.postgres import lists
from tables.postgres.lists import EntryFilter, EntryKey, Rows
from web import shapes
from web.call import Call
from web.lists import json_response, page_response, read_page, reading
from web.problems import not_found

ENTRIES_OF_EVENT_MAX = 100


async def list_entries(call: Call) -> web.StreamResponse:
    """Entries, newest first; with `account`, those that touch it; `waiting`: of parked events,
    those that are not decided yet.
    """
    page = read_page(call)
    wanted = EntryFilter(
        account=page.text("account"),
        event_type=page.text("event_type"),
        status=page.text("status"),
        decided_from=page.moment("from"),
        decided_to=page.moment("to", end=True),
        waiting=page.flag("waiting"),
    )
    async with reading(call) as connection:
        rows = await lists.entries(
            connection, call.tenant_id, wanted, after=page.entry_key, limit=page.limit + 1
        )
        shown = rows[: page.limit]
        legs = await lists.postings(connection, call.tenant_id, [key_of(row) for row in shown])
    last = [*key_of(shown[-1])] if len(rows) > page.limit else None
    found = [shapes.entry(row, legs.get(key_of(row), ())) for row in shown]
    return page_response(call, page, found, last)


async def get_entries_of_event(call: Call) -> web.StreamResponse:
    """What one event became: mostly one entry, more if it was repeated or parked."""
    async with reading(call) as connection:
        rows, legs = await of_event(connection, call)
    return json_response({"data": [shapes.entry(row, legs.get(key_of(row), ())) for row in rows]})


async def of_event(
    connection: asyncpg.Connection, call: Call
) -> tuple[Rows, dict[EntryKey, list[asyncpg.Record]]]:
    """The entries of the event in the path, oldest first, and their postings. Raises 404."""
    wanted = EntryFilter(event_id=call.request.match_info["event_id"])
    newest_first = await lists.entries(
        connection, call.tenant_id, wanted, after=None, limit=ENTRIES_OF_EVENT_MAX
    )
    if not newest_first:
        raise not_found()
    rows = newest_first[::-1]
    return rows, await lists.postings(connection, call.tenant_id, [key_of(row) for row in rows])


def key_of(row: asyncpg.Record) -> EntryKey:
    """Where an entry stands in the journal."""
    return row["partition"], row["seq"], row["ordinal"]

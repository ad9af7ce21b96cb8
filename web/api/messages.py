"""Messages to payers and what became of each; those that wait for somebody are sent again here."""

from typing import Any

import asyncpg
import msgspec
from aiohttp import web

from connectors.notifications.translate import CHANNELS
from tables.postgres import messages as rows
from tables.postgres.messages import MessageFilter
from web.call import Call
from web.configuring import configuring
from web.lists import json_response, keyset_response, read_page, reading
from web.problems import Problem, not_found
from web.shapes import instant

FILTERS = ("state", "channel", "template", "customer_id", "reference_id")


async def list_all(call: Call) -> web.StreamResponse:
    """Messages, newest first."""
    page = read_page(call)
    wanted = MessageFilter(**{name: page.text(name) for name in FILTERS})
    async with reading(call) as connection:
        found = await rows.list_messages(
            connection, call.tenant_id, wanted, after=page.behind, limit=page.limit + 1
        )
    return keyset_response(call, page, found, ("created_at", "id"), shown)


async def get(call: Call) -> web.StreamResponse:
    """One message."""
    async with reading(call) as connection:
        return json_response(shown(await _found(connection, call)))


async def send_again(call: Call) -> web.StreamResponse:
    """Send a message that is parked, or that the service could not deliver."""
    async with configuring(call) as change:
        before = await _found(change.connection, call)
        row = await rows.send_again(change.connection, call.tenant_id, *_key(call), change.now)
        if row is None:
            raise Problem(409, "message-not-parked", f"It is {before['state']}.")
        was = {"state": before["state"]}
        await change.note("message.send_again", call.request.match_info["message_id"], was)
    return json_response(shown(row))


def shown(row: asyncpg.Record) -> dict[str, Any]:
    """A message as its tenant sees it."""
    reported_at, pending = row["reported_at"], row["state"] == "pending"
    return {
        "message_id": f"{row['event_id']}.{row['channel']}",
        "event_id": row["event_id"],
        "event_type": row["event_type"],
        "channel": row["channel"],
        "template": row["template"],
        "reference_type": row["reference_type"],
        "reference_id": row["reference_id"],
        "customer_id": row["customer_id"],
        "state": row["state"],
        "reason": row["reason"],
        "attempts": row["attempts"],
        "request_id": row["request_id"],
        "created_at": instant(row["created_at"]),
        "next_at": instant(row["next_at"]) if pending else None,
        "reported_at": None if reported_at is None else instant(reported_at),
        "history": msgspec.Raw(row["history"].encode()),
    }


def _key(call: Call) -> tuple[str, str]:
    """Event and channel of the message in the path. Raises 404."""
    event_id, _, channel = call.request.match_info["message_id"].rpartition(".")
    if channel not in CHANNELS:
        raise not_found()
    return event_id, channel


async def _found(connection: asyncpg.Connection, call: Call) -> asyncpg.Record:
    """The message in the path. Raises 404."""
    row = await rows.get_message(connection, call.tenant_id, *_key(call))
    if row is None:
        raise not_found()
    return row

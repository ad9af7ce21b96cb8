"""Dead letters of a tenant: events that were refused for good, and how they are tried once more.

Those whose tenant nobody can tell (unreadable bytes, a subject that is not the event's) are for the
platform's people alone: `treasury dead-letters`.
"""

from typing import Any

import asyncpg
import msgspec
from aiohttp import web

from agents.clock import REDRIVE
from agents.roles.redriving import Redriving, redriving
from streams.inbound import MAX_RECORD_BYTES
from streams.timestamps import format_ms
from tables.postgres import lists
from tables.postgres.lists import LetterFilter
from web import shapes
from web.call import Call
from web.commands import POSITION
from web.configuring import configuring
from web.lists import json_response, keyset_response, parameters, read_page, reading
from web.problems import Problem, not_found


async def list_letters(call: Call) -> web.StreamResponse:
    """Dead letters, newest first, without their events."""
    page = read_page(call)
    wanted = LetterFilter(
        reason=page.text("reason"),
        event_type=page.text("event_type"),
        received_from=page.moment("from"),
        received_to=page.moment("to", end=True),
    )
    async with reading(call) as connection:
        rows = await lists.dead_letters(
            connection, call.tenant_id, wanted, after=page.behind, limit=page.limit + 1
        )
    return keyset_response(call, page, rows, ("received_at", "id"), _shown)


async def get_letter(call: Call) -> web.StreamResponse:
    """One of them, with the event as it came; null where that is no JSON."""
    parameters(call)
    async with reading(call) as connection:
        row = await _found(connection, call)
    return json_response({**_shown(row), "envelope": shapes.raw_json(row["raw"])})


async def redrive(call: Call) -> web.StreamResponse:
    """Have its event decided once more, by all the rules that it was under the first time.

    It needs no Idempotency-Key: an event that was carried out is a duplicate however often it is
    re-driven. What becomes of it is `redrive_status`, from the position on that is answered here.
    """
    async with call.context.desk.view(call.tenant_id):
        pass  # whoever decides it notes it: forwarded later, it would be noted twice
    async with configuring(call) as change:
        row = await _found(change.connection, call)
        asked = _asked(call, row)
        await change.note("dead_letter.redrive", row["id"], {"attempt": asked.attempt})
    envelope = {
        "event_id": asked.event_id,
        "event_type": REDRIVE,
        "tenant_id": call.tenant_id,
        "timestamp": format_ms(call.context.clock_ms()),
        "data": asked.data,
    }
    raw = msgspec.json.encode(envelope)
    if len(raw) > MAX_RECORD_BYTES:
        raise Problem(422, "too_large", "The event is too large to be decided once more.")
    decision = await call.context.desk.decide(
        call.tenant_id,
        asked.event_id,
        raw,
        ingress="internal",
        timeout_s=call.context.settings.decide_timeout_s,
    )
    told = {"letter_id": row["id"], "redrive_id": asked.event_id, "attempt": asked.attempt}
    position = f"{decision.partition}.{decision.seq}"
    return json_response(told, headers={POSITION: position})


def _asked(call: Call, row: asyncpg.Record) -> Redriving:
    return redriving(
        row["id"],
        tenant_id=call.tenant_id,
        event_id=row["event_id"],
        ingress=row["ingress"],
        raw=row["raw"],
        attempts=row["redrive_attempt"],
    )


async def _found(connection: asyncpg.Connection, call: Call) -> asyncpg.Record:
    """The letter in the path. Raises 404."""
    letter_id = call.request.match_info["letter_id"]
    row = await lists.dead_letter(connection, call.tenant_id, letter_id)
    if row is None:
        raise not_found()
    return row


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "letter_id": row["id"],
        **{name: row[name] for name in ("event_id", "event_type", "reason", "ingress")},
        "received_at": shapes.instant(row["received_at"]),
        "redrive_attempts": row["redrive_attempt"],
        "redrive_status": row["redrive_status"],
    }

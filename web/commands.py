"""A command's way: body to envelope, envelope to decision, decision to answer.

The event id follows from tenant, route and Idempotency-Key, so a retry is the same event and gets
the same answer. Nothing is decided here.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from agents.roles.desk import Decision
from streams.envelope import Envelope, read
from streams.ids import http_event_id
from streams.journal import Entry
from streams.money import plain
from streams.timestamps import format_ms
from web.call import Call, Context, Handler
from web.problems import RETRY_AFTER_S, Problem, unavailable

REPLAYED = "Idempotency-Replayed"
POSITION = "Treasury-Position"
"""Where the journal holds the decision: lists asked for `min_position` of it show what it made."""
ACTOR_CHARS_MAX = 128


def commanding(event_type: str) -> Handler:
    """The handler of a route that is one command and nothing else."""

    async def handle(call: Call) -> web.StreamResponse:
        return await command(call, event_type)

    return handle


async def command(
    call: Call, event_type: str, more: Mapping[str, Any] | None = None
) -> web.Response:
    """Have the call decided as an event of this type, and answer with what it became.

    The event says what the body says, what the path names, who the caller is, and what `more` the
    route has found; of which a repeat must find the same.
    """
    assert call.model is not None
    assert call.claims is not None
    event_id = http_event_id(call.tenant_id, call.route.name, call.idempotency_key)
    named = {name: value for name, value in call.request.match_info.items() if name != "tenant"}
    said = call.model.model_dump(exclude_none=True)
    data = {**said, **named, **(more or {}), "actor": call.claims.subject[:ACTOR_CHARS_MAX]}
    decision = await decided(call.context, call.tenant_id, event_type, event_id, data)
    return _answer(decision, _to_json(data))


async def decided(
    context: Context, tenant_id: str, event_type: str, event_id: str, data: Mapping[str, Any]
) -> Decision:
    """What became of an event of ours. Raises Elsewhere, NotServing or AnswerUnknown."""
    envelope = _to_json(
        {
            "event_id": event_id,
            "event_type": event_type,
            "tenant_id": tenant_id,
            "timestamp": format_ms(context.clock_ms()),
            "data": msgspec.Raw(_to_json(data)),
        }
    )
    timeout_s = context.settings.decide_timeout_s
    return await context.desk.decide(tenant_id, event_id, envelope, timeout_s=timeout_s)


def _to_json(value: Any) -> bytes:
    """Members in one order: a retry must be the same bytes, whatever order its caller used."""
    return msgspec.json.encode(value, order="deterministic")


def _answer(decision: Decision, data: bytes) -> web.Response:
    entry = decision.entry
    decided = read(entry.raw)
    if isinstance(decided, Envelope) and bytes(decided.data) != data:
        # A concurrent request under the same key came first, with another body.
        raise Problem(422, "conflict", "The same Idempotency-Key came with another body.")
    headers = {POSITION: f"{decision.partition}.{decision.seq}"}
    if entry.status == "duplicate":
        headers[REPLAYED] = "true"
    if entry.reply is None:
        raise _unanswered(entry)
    if entry.reply.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if entry.reply.status >= 400:
        refusal = plain(entry.reply.body)
        raise Problem(
            entry.reply.status, refusal["code"], refusal.get("detail", ""), headers=headers
        )
    return web.Response(
        status=entry.reply.status,
        body=entry.reply.body,
        content_type="application/json",
        headers=headers,
    )


def _unanswered(entry: Entry) -> Problem:
    """A decision that carries no reply."""
    reason, _, detail = entry.reason.partition(": ")
    if entry.status == "duplicate":
        detail = "The command was decided before, but its answer is not kept any more."
        return Problem(409, "answer-not-kept", detail)
    if entry.status == "misrouted":
        return unavailable("not-serving", "The command is on its way to the tenant's partition.")
    if reason == "internal":
        return Problem(500, "internal", "The command was refused because its handler failed.")
    if reason == "too_large":
        return Problem(413, reason, "What the command would cause is too large for one entry.")
    return Problem(422, reason, detail)

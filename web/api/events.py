"""Events: the life story of one, and batches of them from sister services."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import asyncpg
from aiohttp import web

from agents.accounting import tax_queue
from agents.registry import COMMANDS, HANDLED
from agents.roles.desk import Elsewhere, NotServing
from streams import strict_json
from streams.envelope import Envelope, Refusal, read
from streams.errors import Unavailable
from streams.ids import derive
from streams.inbound import MAX_RECORD_BYTES
from streams.journal import Entry
from streams.money import plain
from tables.payments import GatewayCall
from tables.postgres import lists
from tables.postgres.webhooks import deliveries_of
from tables.tenants import Tenant
from web import bodies, shapes
from web.api.entries import key_of, of_event
from web.call import Call
from web.lists import json_response, reading
from web.problems import Problem, unavailable

LINES_MAX = 1_000
LINE_BYTES_MAX = MAX_RECORD_BYTES - 1_024
EMITTED_MAX = 1_000


async def get_event(call: Call) -> web.StreamResponse:
    """An event's life: received, decided, posted, called, emitted, delivered, dead-lettered."""
    tenant_id, event_id = call.tenant_id, call.request.match_info["event_id"]
    async with reading(call) as connection:
        rows, legs = await of_event(connection, call)
        emitted = await lists.emitted_by(connection, tenant_id, event_id, EMITTED_MAX)
        event_ids = [row["event_id"] for row in emitted]
        delivered = await deliveries_of(connection, tenant_id, event_ids, EMITTED_MAX)
        dead = await lists.dead_letters_of(connection, tenant_id, event_id, EMITTED_MAX)
    entries = [shapes.entry(row, legs.get(key_of(row), ())) for row in rows]
    return json_response(
        {
            "event_id": event_id,
            "event_type": rows[0]["event_type"],
            "envelope": shapes.raw_json(rows[0]["raw"]),
            "received": [
                {"ingress": entry["ingress"], "position": entry["position"]} for entry in entries
            ],
            "decided": [
                {name: entry[name] for name in ("status", "reason", "decided_at", "seq")}
                for entry in entries
            ],
            "posted": [leg for entry in entries for leg in entry["postings"]],
            "called": await _called(call, event_id),
            "emitted": [_told_emitted(row) for row in emitted],
            "delivered": [_told_delivered(row) for row in delivered],
            "dead_lettered": [
                {
                    "id": row["id"],
                    "reason": row["reason"],
                    "at": shapes.instant(row["received_at"]),
                    "redrive_status": row["redrive_status"],
                }
                for row in dead
            ],
        }
    )


def _told_emitted(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "event_id": row["event_id"],
        "event_type": row["event_type"],
        "body": shapes.raw_json(row["body"]),
        "published": row["published"],
    }


def _told_delivered(row: asyncpg.Record) -> dict[str, Any]:
    """On its way to one of the tenant's own endpoints, or there."""
    at = row["delivered_at"]
    told = {name: row[name] for name in ("event_id", "endpoint_id", "state", "attempts")}
    return {**told, "delivered_at": None if at is None else shapes.instant(at)}


async def _called(call: Call, event_id: str) -> list[dict[str, Any]]:
    """The gateway calls that the event made: they are found by the ids that it gives them."""
    about = call.tenant_id, event_id
    async with call.context.desk.view(call.tenant_id) as view:
        tenant = view.row(Tenant, call.tenant_id)
        branches = sorted(set(tenant.settings.etims.values())) if tenant is not None else []
        ids = [derive(*about, "call", 0)]
        ids += [derive(*about, tax_queue.DECLARATION, int(branch)) for branch in branches]
        found = [view.row(GatewayCall, call.tenant_id, call_id) for call_id in ids]
    names = ("call_id", "gateway", "operation", "status", "subject_id", "outcome")
    return [{name: getattr(row, name) for name in names} for row in found if row is not None]


@dataclass(frozen=True)
class Line:
    """What became of one line, counted from 1.

    `status` is the entry's, or `not_taken` (nothing was appended), or `unknown` (it was).
    """

    line: int
    event_id: str
    status: str
    reason: str


async def post_events(call: Call) -> web.StreamResponse:
    """Have each line decided as an event, in the order of the lines; says what each became."""
    limits = call.context.settings
    raw = await bodies.read_bytes(
        call.request,
        bodies.NDJSON,
        bytes_max=limits.body_bytes_max,
        timeout_s=limits.body_timeout_s,
    )
    lines = raw.removesuffix(b"\n").split(b"\n") if raw else []
    if not 1 <= len(lines) <= LINES_MAX:
        raise Problem(422, "malformed", f"Send 1 to {LINES_MAX} lines.")
    results = await _decided(call, lines)
    if all(result.reason == "not-serving" for result in results):
        raise unavailable("not-serving", "The tenant's partition does not serve at this moment.")
    return json_response({"data": [asdict(result) for result in results]})


async def _decided(call: Call, lines: Sequence[bytes]) -> list[Line]:
    """All lines, started in order; raises `Elsewhere` for the whole request to be forwarded."""
    slots = asyncio.Semaphore(call.context.settings.batch_in_flight)
    last_of_id: dict[str, asyncio.Task[Line]] = {}
    elsewhere: list[Elsewhere] = []
    told: list[Line | asyncio.Task[Line]] = []
    async with asyncio.TaskGroup() as group:
        for number, raw in enumerate(lines, 1):
            event_id, unfit = _read(call, raw)
            if unfit:
                told.append(Line(number, event_id, "not_taken", unfit))
                continue
            before = last_of_id.get(event_id)
            work = _line(call, number, event_id, raw, slots=slots, before=before, moved=elsewhere)
            last_of_id[event_id] = task = group.create_task(work)
            told.append(task)
    if elsewhere:
        # What was decided here before the partition moved comes back from there as `duplicate`.
        raise elsewhere[0]
    return [line if isinstance(line, Line) else line.result() for line in told]


async def _line(
    call: Call,
    number: int,
    event_id: str,
    raw: bytes,
    *,
    slots: asyncio.Semaphore,
    before: "asyncio.Task[Line] | None",
    moved: list[Elsewhere],
) -> Line:
    if before is not None:
        await before  # whoever waits for an event gets its next decision: not one of two at once
    async with slots:
        try:
            decision = await call.context.desk.decide(
                call.tenant_id,
                event_id,
                raw,
                timeout_s=call.context.settings.decide_timeout_s,
            )
        except Elsewhere as error:
            moved.append(error)
            return Line(number, event_id, "not_taken", "not-serving")
        except NotServing:
            return Line(number, event_id, "not_taken", "not-serving")
        except Unavailable:
            return Line(number, event_id, "unknown", "outcome-unknown")
    return Line(number, event_id, decision.entry.status, _why(decision.entry))


def _read(call: Call, raw: bytes) -> tuple[str, str]:
    """The event's id (empty where none can be read), and why it is not taken here (or empty)."""
    if len(raw) > LINE_BYTES_MAX:
        return "", "too_large"
    unfit = strict_json.check(raw)
    if unfit is not None:
        return "", unfit
    envelope = read(raw)
    if isinstance(envelope, Refusal):
        return "", str(envelope)
    return envelope.event_id, refusal_at_the_door(envelope, call.tenant_id)


def refusal_at_the_door(envelope: Envelope, tenant_id: str) -> str:
    """The reason why who speaks for this tenant may not say this over HTTP, or empty."""
    if envelope.tenant_id != tenant_id:
        return "wrong_tenant"
    handled = HANDLED.get(envelope.event_type)
    if handled is None:
        return "unknown_type"
    if "http" not in handled.ingress or handled.ingress == COMMANDS:
        return "ingress_not_allowed"
    return ""


def _why(entry: Entry) -> str:
    """What the reply says; the entry's own reason may tell of our insides."""
    if entry.reply is None or entry.reply.status < 400:
        return entry.reason
    told = plain(entry.reply.body)
    return f"{told['code']}: {told['detail']}" if told.get("detail") else str(told["code"])

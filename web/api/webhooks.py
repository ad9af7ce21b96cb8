"""A tenant's webhook endpoints: registered, tested, given new secrets; deliveries and replay."""

import secrets
from datetime import timedelta
from typing import Annotated, Any
from uuid import uuid4

import asyncpg
import msgspec
from aiohttp import web
from pydantic import Field

from agents.outbound import OUTBOUND
from agents.roles.secret_store import opened, put_secret, remove_secret
from agents.roles.webhooks import previous_name, secret_name, secret_names
from connectors.webhooks.addresses import URL_CHARS_MAX, AddressRefused, check_url
from connectors.webhooks.signing import new_secret
from streams.partitioner import partition_of
from streams.timestamps import format_ms
from tables.postgres import webhooks as rows
from tables.postgres.secrets import read_secret
from tables.postgres.webhooks import DeliveryFilter, Endpoint, NewDelivery
from web.bodies import Body, NoControls
from web.call import Call
from web.configuring import Change, configuring
from web.lists import json_response, keyset_response, moment_of, read_page, reading
from web.problems import Problem, not_found
from web.shapes import instant

TEST_EVENT = "treasury.webhook.test"
OVERLAP_MAX_S = 7 * 24 * 3600
REPLAYED_MAX = 10_000


class EndpointBody(Body):
    """Where events go, and which: all of them when `event_types` is empty."""

    url: Annotated[str, Field(min_length=1, max_length=URL_CHARS_MAX)]
    event_types: Annotated[list[str], Field(max_length=len(OUTBOUND))] = []
    description: Annotated[NoControls, Field(max_length=200)] = ""


class RotateSecretBody(Body):
    """How long the secret before signs beside the new one."""

    overlap_s: Annotated[int, Field(ge=0, le=OVERLAP_MAX_S)] = 24 * 3600


class ReplayBody(Body):
    """Which events go again: those said from `from` until before `to`, of these types or all."""

    since: Annotated[str, Field(alias="from", min_length=10, max_length=40)]
    until: Annotated[str, Field(alias="to", min_length=10, max_length=40)]
    event_types: Annotated[list[str], Field(max_length=len(OUTBOUND))] = []


async def create(call: Call) -> web.StreamResponse:
    """Register an endpoint and show its secret, this once."""
    endpoint = _endpoint(call, secrets.token_hex(8))
    async with configuring(call) as change:
        row = await rows.insert_endpoint(
            change.connection, endpoint, by=change.actor, now=change.now
        )
        secret = await _new_secret(call, change, endpoint.endpoint_id)
        await change.note("webhook_endpoint.create", endpoint.endpoint_id, {"url": endpoint.url})
    return json_response({**shown(row), "secret": secret})


async def update(call: Call) -> web.StreamResponse:
    """Change where events go, and which."""
    endpoint = _endpoint(call, call.request.match_info["endpoint_id"])
    async with configuring(call) as change:
        row = await rows.update_endpoint(change.connection, endpoint, change.now)
        if row is None:
            raise not_found()
        await change.note("webhook_endpoint.update", endpoint.endpoint_id, {"url": endpoint.url})
    return json_response(shown(row))


async def enable(call: Call) -> web.StreamResponse:
    """Send events again; those said meanwhile can be replayed."""
    return await _set(call, "enabled")


async def disable(call: Call) -> web.StreamResponse:
    """Send no more events; those on their way wait."""
    return await _set(call, "disabled")


async def delete(call: Call) -> web.StreamResponse:
    """Forget an endpoint, and the secrets that signed for it."""
    return await _set(call, "deleted")


async def _set(call: Call, status: str) -> web.StreamResponse:
    endpoint_id = call.request.match_info["endpoint_id"]
    async with configuring(call) as change:
        if status == "deleted":
            for name in secret_names(endpoint_id):
                await remove_secret(
                    change.connection, call.tenant_id, name, by=change.actor, now=change.now
                )
        row = await rows.set_status(
            change.connection, call.tenant_id, endpoint_id, status, now=change.now
        )
        if row is None:
            raise not_found()
        await change.note(f"webhook_endpoint.{status}", endpoint_id)
    return json_response(shown(row))


async def rotate(call: Call) -> web.StreamResponse:
    """Give an endpoint a new secret and show it, this once; both sign for a while."""
    assert isinstance(call.model, RotateSecretBody)
    endpoint_id = call.request.match_info["endpoint_id"]
    async with configuring(call) as change:
        await _found(change.connection, call)
        name = secret_name(endpoint_id)
        before = await read_secret(change.connection, call.tenant_id, name, lock=True)
        if before is not None:
            value = opened(call.context.keyring, before).get_secret_value()
            await _put(call, change, previous_name(endpoint_id), value)
        secret = await _new_secret(call, change, endpoint_id)
        until = change.now + timedelta(seconds=call.model.overlap_s)
        row = await rows.set_overlap(
            change.connection, call.tenant_id, endpoint_id, until, change.now
        )
        await change.note(
            "webhook_endpoint.rotate", endpoint_id, {"previous_until": instant(until)}
        )
    return json_response({**shown(row), "secret": secret})


async def get(call: Call) -> web.StreamResponse:
    """One endpoint, without its secret."""
    async with reading(call) as connection:
        return json_response(shown(await _found(connection, call)))


async def list_all(call: Call) -> web.StreamResponse:
    """Endpoints, newest first."""
    page = read_page(call)
    async with reading(call) as connection:
        found = await rows.list_endpoints(
            connection, call.tenant_id, after=page.behind, limit=page.limit + 1
        )
    return keyset_response(call, page, found, ("created_at", "endpoint_id"), shown)


async def test(call: Call) -> web.StreamResponse:
    """Send an event that means nothing, to see whether it arrives."""
    event_id = str(uuid4())
    async with configuring(call) as change:
        row = await _found(change.connection, call)
        body = {
            "event_id": event_id,
            "event_type": TEST_EVENT,
            "tenant_id": call.tenant_id,
            "timestamp": format_ms(call.context.clock_ms()),
            "data": {"endpoint_id": row["endpoint_id"]},
        }
        delivery = NewDelivery(
            call.tenant_id,
            row["endpoint_id"],
            event_id,
            TEST_EVENT,
            partition_of(call.tenant_id, call.context.desk.partitions),
            msgspec.json.encode(body),
        )
        await rows.insert_deliveries(change.connection, [delivery], change.now)
    return json_response({"event_id": event_id})


async def list_deliveries(call: Call) -> web.StreamResponse:
    """Events on their way to an endpoint, or there: newest first, with every attempt."""
    page = read_page(call)
    wanted = DeliveryFilter(
        state=page.text("state"),
        event_type=page.text("event_type"),
        since=page.moment("from"),
        until=page.moment("to", end=True),
    )
    async with reading(call) as connection:
        row = await _found(connection, call)
        found = await rows.list_deliveries(
            connection,
            call.tenant_id,
            row["endpoint_id"],
            wanted,
            after=page.behind,
            limit=page.limit + 1,
        )
    return keyset_response(call, page, found, ("created_at", "event_id"), _delivery)


async def replay_one(call: Call) -> web.StreamResponse:
    """Send one event again, under its id."""
    event_id = call.request.match_info["event_id"]
    async with configuring(call) as change:
        row = await _found(change.connection, call)
        endpoint_id = row["endpoint_id"]
        if not await rows.replay_one(
            change.connection, call.tenant_id, endpoint_id, event_id, change.now
        ):
            raise not_found()
        await change.note("webhook_endpoint.replay", endpoint_id, {"event_id": event_id})
    return json_response({"replayed": 1})


async def replay_range(call: Call) -> web.StreamResponse:
    """Send the events of a range of time again, the oldest 10,000 at most."""
    model = call.model
    assert isinstance(model, ReplayBody)
    _require_known(model.event_types)
    since, until = moment_of("from", model.since), moment_of("to", model.until, end=True)
    async with configuring(call) as change:
        row = await _found(change.connection, call)
        count = await rows.replay_range(
            change.connection,
            call.tenant_id,
            row["endpoint_id"],
            event_types=model.event_types,
            since=since,
            until=until,
            limit=REPLAYED_MAX,
            now=change.now,
        )
        await change.note(
            "webhook_endpoint.replay",
            row["endpoint_id"],
            {"from": instant(since), "to": instant(until), "replayed": count},
        )
    return json_response({"replayed": count})


def shown(row: asyncpg.Record) -> dict[str, Any]:
    """An endpoint as its owner sees it."""
    until = row["previous_until"]
    return {
        "endpoint_id": row["endpoint_id"],
        "url": row["url"],
        "event_types": row["event_types"],
        "description": row["description"],
        "status": row["status"],
        "disabled_reason": row["disabled_reason"],
        "previous_until": None if until is None else instant(until),
        "created_at": instant(row["created_at"]),
        "created_by": row["created_by"],
        "updated_at": instant(row["updated_at"]),
    }


def _delivery(row: asyncpg.Record) -> dict[str, Any]:
    delivered_at, pending = row["delivered_at"], row["state"] == "pending"
    return {
        "event_id": row["event_id"],
        "event_type": row["event_type"],
        "state": row["state"],
        "attempts": row["attempts"],
        "created_at": instant(row["created_at"]),
        "next_at": instant(row["next_at"]) if pending else None,
        "delivered_at": None if delivered_at is None else instant(delivered_at),
        "history": msgspec.Raw(row["history"].encode()),
    }


def _endpoint(call: Call, endpoint_id: str) -> Endpoint:
    """The endpoint in the body. Raises `Problem` 422 for a place we do not connect to."""
    model = call.model
    assert isinstance(model, EndpointBody)
    _require_known(model.event_types)
    try:
        check_url(model.url, call.context.settings.webhook_networks)
    except AddressRefused as error:
        errors = [{"pointer": "/url", "detail": str(error)}]
        raise Problem(422, "url-refused", f"The URL: {error}.", errors=errors) from None
    return Endpoint(
        call.tenant_id, endpoint_id, model.url, sorted(set(model.event_types)), model.description
    )


def _require_known(event_types: list[str]) -> None:
    unknown = [each for each in event_types if each not in OUTBOUND]
    if unknown:
        detail = f"Events are: {', '.join(sorted(OUTBOUND))}."
        errors = [{"pointer": "/event_types", "detail": "names no event of ours"}]
        raise Problem(422, "unknown-event-type", detail, errors=errors)


async def _found(connection: asyncpg.Connection, call: Call) -> asyncpg.Record:
    """The endpoint in the path. Raises 404."""
    row = await rows.get_endpoint(
        connection, call.tenant_id, call.request.match_info["endpoint_id"]
    )
    if row is None:
        raise not_found()
    return row


async def _new_secret(call: Call, change: Change, endpoint_id: str) -> str:
    secret = new_secret()
    await _put(call, change, secret_name(endpoint_id), secret)
    return secret


async def _put(call: Call, change: Change, name: str, value: str) -> None:
    row = await put_secret(
        change.connection,
        call.context.keyring,
        call.tenant_id,
        name,
        value,
        by=change.actor,
        now=change.now,
    )
    if row is None:
        raise Problem(409, "written-meanwhile", "Somebody else rotates this secret just now.")

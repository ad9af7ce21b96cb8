"""API keys of services: made, rotated with an overlap, revoked. A secret is shown once."""

from datetime import timedelta
from typing import Annotated, Any, Literal

import asyncpg
from aiohttp import web
from pydantic import Field

from tables.postgres import api_keys
from tables.postgres.api_keys import NewKey
from web import scopes
from web.api_keys import ApiKey, Mode
from web.bodies import Body, NoControls
from web.call import Call
from web.configuring import configuring
from web.lists import json_response, keyset_response, read_page, reading
from web.problems import Problem, not_found
from web.shapes import instant
from web.tenants import tenant_of

OVERLAP_MAX_S = 30 * 24 * 3600
DAYS_MAX = 3_650


class CreateApiKeyBody(Body):
    """A key for a service; it may do no more than who makes it.

    Its `mode` is its tenant's: test for a sandbox, live for any other.
    """

    name: Annotated[NoControls, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[str], Field(min_length=1, max_length=len(scopes.ALL))]
    mode: Literal["live", "test"] | None = None
    expires_in_days: Annotated[int, Field(ge=1, le=DAYS_MAX)] | None = None


class RotateApiKeyBody(Body):
    """How long the secret before stays good beside the new one."""

    overlap_s: Annotated[int, Field(ge=0, le=OVERLAP_MAX_S)] = 24 * 3600


async def create(call: Call) -> web.StreamResponse:
    """Make a key and show it, this once."""
    model = call.model
    assert isinstance(model, CreateApiKeyBody)
    assert call.claims is not None
    wanted = sorted(set(model.scopes))
    beyond = [scope for scope in wanted if scope not in call.claims.scopes]
    if beyond:
        raise Problem(
            403, "scope-missing", f"You lack scopes that the key shall have: {', '.join(beyond)}."
        )
    if scopes.OF_PEOPLE.intersection(wanted):
        people = ", ".join(sorted(scopes.OF_PEOPLE))
        raise Problem(422, "people-only", f"Only people have {people}.")
    key = ApiKey.new(call.tenant_id, await _mode(call, model.mode))
    async with configuring(call) as change:
        expires_at = (
            None
            if model.expires_in_days is None
            else change.now + timedelta(days=model.expires_in_days)
        )
        row = await api_keys.insert_key(
            change.connection,
            NewKey(
                call.tenant_id,
                key.key_id,
                model.name,
                key.mode,
                wanted,
                key.secret_hash,
                change.now,
                change.actor,
                expires_at,
            ),
        )
        await change.note("api_key.create", key.key_id, {"name": model.name, "scopes": wanted})
    return json_response({**shown(row), "key": key.text})


async def _mode(call: Call, wanted: Mode | None) -> Mode:
    """The tenant's own mode. Raises `Problem` 404, or 422 when another one is wanted."""
    async with call.context.desk.view(call.tenant_id) as view:
        mode: Mode = "test" if tenant_of(view, call).sandbox else "live"
    if wanted not in {None, mode}:
        raise Problem(422, "mode-differs", f"The keys of this tenant are {mode} keys.")
    return mode


async def rotate(call: Call) -> web.StreamResponse:
    """Give a key a new secret and show it, this once; the one before stays good for a while."""
    assert isinstance(call.model, RotateApiKeyBody)
    key_id = call.request.match_info["key_id"]
    async with configuring(call) as change:
        before = await api_keys.get_key(change.connection, call.tenant_id, key_id)
        if before is None:
            raise not_found()
        key = ApiKey.new(call.tenant_id, before["mode"], key_id)
        until = change.now + timedelta(seconds=call.model.overlap_s)
        row = await api_keys.rotate_key(
            change.connection,
            call.tenant_id,
            key_id,
            key.secret_hash,
            now=change.now,
            until=until,
        )
        if row is None:
            raise Problem(409, "key-revoked", "The key was revoked; make a new one.")
        await change.note("api_key.rotate", key_id, {"previous_until": instant(until)})
    return json_response({**shown(row), "key": key.text})


async def revoke(call: Call) -> web.StreamResponse:
    """End a key at once. Done twice, it is done."""
    key_id = call.request.match_info["key_id"]
    async with configuring(call) as change:
        row = await api_keys.revoke_key(change.connection, call.tenant_id, key_id, change.now)
        if row is None:
            raise not_found()
        if row["revoked_at"] == change.now:
            await change.note("api_key.revoke", key_id)
    return json_response(shown(row))


async def get(call: Call) -> web.StreamResponse:
    """One key, without its secret."""
    async with reading(call) as connection:
        row = await api_keys.get_key(connection, call.tenant_id, call.request.match_info["key_id"])
    if row is None:
        raise not_found()
    return json_response(shown(row))


async def list_all(call: Call) -> web.StreamResponse:
    """Keys, newest first."""
    page = read_page(call)
    async with reading(call) as connection:
        rows = await api_keys.list_keys(
            connection, call.tenant_id, after=page.behind, limit=page.limit + 1
        )
    return keyset_response(call, page, rows, ("created_at", "key_id"), shown)


def shown(row: asyncpg.Record) -> dict[str, Any]:
    """A key as people see it."""
    return {
        "key_id": row["key_id"],
        "name": row["name"],
        "mode": row["mode"],
        "scopes": row["scopes"],
        "created_at": instant(row["created_at"]),
        "created_by": row["created_by"],
        "rotated_at": instant(row["rotated_at"]),
        **{
            name: None if row[name] is None else instant(row[name])
            for name in ("previous_until", "expires_at", "revoked_at")
        },
    }

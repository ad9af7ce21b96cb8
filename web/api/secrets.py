"""Tier-1 secrets: written, removed, and seen as names, versions and fingerprints, never values."""

from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, SecretStr

from agents.roles.secret_store import put_secret, remove_secret
from connectors.envelope import SECRET_BYTES_MAX
from connectors.registry import SECRETS
from tables.postgres.secrets import PLATFORM, SecretRow, read_secret, read_secrets
from web.bodies import Body
from web.call import Call
from web.configuring import configuring
from web.lists import json_response
from web.problems import Problem, not_found
from web.shapes import instant

MASK = "********"


class PutSecretBody(Body):
    """The value to keep."""

    value: Annotated[SecretStr, Field(min_length=1, max_length=SECRET_BYTES_MAX)]


async def put(call: Call) -> web.StreamResponse:
    """Keep a value under a name; what was there before is gone."""
    assert isinstance(call.model, PutSecretBody)
    assert call.claims is not None
    name = _known_name(call)
    owner = owner_of(call)
    async with configuring(call, owner) as change:
        try:
            row = await put_secret(
                change.connection,
                call.context.keyring,
                owner,
                name,
                call.model.value.get_secret_value(),
                by=change.actor,
                now=change.now,
            )
        except ValueError as error:
            raise Problem(422, "malformed", f"The value: {error}.") from None
        if row is None:
            raise Problem(409, "written-meanwhile", "Somebody else wrote this secret just now.")
        await change.note("secret.put", name, {"version": row.version})
    return json_response(shown(name, row))


async def remove(call: Call) -> web.StreamResponse:
    """Forget a value; the platform's default counts again. Done twice, it is done."""
    name, owner = _known_name(call), owner_of(call)
    async with configuring(call, owner) as change:
        if await remove_secret(change.connection, owner, name, by=change.actor, now=change.now):
            await change.note("secret.remove", name)
    return json_response(shown(name, None))


async def get(call: Call) -> web.StreamResponse:
    """One name."""
    name, owner = _known_name(call), owner_of(call)
    async with configuring(call, owner) as change:
        row = await read_secret(change.connection, owner, name)
    return json_response(shown(name, row))


async def list_all(call: Call) -> web.StreamResponse:
    """Every name there is, set or not."""
    owner = owner_of(call)
    async with configuring(call, owner) as change:
        rows = {row.name: row for row in await read_secrets(change.connection, [owner])}
    return json_response({"data": [shown(name, rows.get(name)) for name in sorted(SECRETS)]})


def owner_of(call: Call) -> str:
    """Whose secrets the path means: the tenant's, or the platform's defaults."""
    return call.tenant_id if "tenant" in call.request.match_info else PLATFORM


def shown(name: str, row: SecretRow | None) -> dict[str, Any]:
    """A secret as people see it: a fingerprint tells whether it is the value they know."""
    if row is None or row.box is None:
        return {"name": name, "state": "unset"}
    return {
        "name": name,
        "state": "set",
        "value": MASK,
        "version": row.version,
        "fingerprint": row.fingerprint,
        "written_at": instant(row.written_at),
        "written_by": row.written_by,
        "keyed_at": instant(row.keyed_at),
    }


def _known_name(call: Call) -> str:
    name = call.request.match_info["name"]
    if name not in SECRETS:
        raise not_found()
    return name

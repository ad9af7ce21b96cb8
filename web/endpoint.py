"""From a line of the route table to a handler: authenticate, authorise, read, serve, or forward.

The order is fixed: a caller learns nothing about a resource before its token was judged.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from agents.roles.desk import Elsewhere
from streams.ids import valid_id
from web import auth, bodies
from web.api_keys import is_api_key
from web.call import Call, Context, Route
from web.claims import Claims
from web.forward import forward
from web.limits import RATES
from web.middleware import CALLER
from web.problems import Problem, not_found, unavailable

KEY_CHARS_MAX = 255
_printable_key = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?").fullmatch
_controls = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]").search


def endpoint(
    route: Route, context: Context
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The aiohttp handler of a route."""

    async def serve(request: web.Request) -> web.StreamResponse:
        claims = await _authorised(request, route, context)
        if any(_controls(value) for value in request.match_info.values()):
            raise not_found()
        if route.body_bytes_max:
            request = request.clone(client_max_size=route.body_bytes_max)
        key = idempotency_key_of(request) if route.idempotent else ""
        model = None
        if route.model is not None:
            limits = context.settings
            raw = await bodies.read_bytes(
                request,
                bodies.JSON,
                bytes_max=limits.body_bytes_max,
                timeout_s=limits.body_timeout_s,
            )
            model = bodies.validated(route.model, bodies.read_json(raw))
        call = Call(request, context, route, claims, key, model)
        try:
            in_time = route.method == "GET" and not route.live
            return await (_read(call) if in_time else route.handler(call))
        except Elsewhere as elsewhere:
            return await forward(call, elsewhere.url)

    return serve


async def _read(call: Call) -> web.StreamResponse:
    """Serve a read, or say in time that it cannot be served now: it waits for what is uncertain.

    Commands have a deadline of their own, after which their outcome is unknown.
    """
    try:
        async with asyncio.timeout(call.context.settings.read_timeout_s):
            return await call.route.handler(call)
    except TimeoutError:
        raise unavailable("not-serving", "The answer did not come in time.") from None


async def _authorised(request: web.Request, route: Route, context: Context) -> Claims | None:
    if route.scope is None:
        return None
    bearer = auth.bearer_of(request)
    verify = context.api_keys.verify if is_api_key(bearer) else context.verifier.verify
    claims = await verify(bearer)
    request[CALLER] = (claims.tenant_id, claims.subject)
    request.app[RATES].take(claims.tenant_id)
    _judge(request, route, claims)
    if request.method not in {"GET", "HEAD"} and not is_api_key(bearer):
        await context.people.saw(claims)
    return claims


def _judge(request: web.Request, route: Route, claims: Claims) -> None:
    """Raise `Problem` 403 unless this caller may do this here."""
    assert route.scope is not None
    if route.tier == 0:
        auth.require_superuser(claims)
        return
    if route.tier == 1 and claims.is_superuser:
        if not valid_id(request.match_info["tenant"]):
            raise not_found()
        return
    if "tenant" in request.match_info:
        auth.require_tenant(claims, request.match_info["tenant"])
    auth.require_scope(claims, route.scope)


def idempotency_key_of(request: web.Request) -> str:
    """The one Idempotency-Key of a request. Raises `Problem` 400."""
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        detail = "This request moves money: send an Idempotency-Key, and the same one on a retry."
        raise Problem(400, "idempotency-key-missing", detail)
    if len(given) > 1 or len(given[0]) > KEY_CHARS_MAX or not _printable_key(given[0]):
        detail = f"One Idempotency-Key of 1 to {KEY_CHARS_MAX} printable ASCII characters."
        raise Problem(400, "idempotency-key-bad", detail)
    return given[0]

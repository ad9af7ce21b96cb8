"""Hands a request, once, to the worker that owns the tenant's partition, and its answer back.

The owner authenticates it again. A marked request is never handed on a second time: while
partitions move, the caller is told to come back rather than sent in circles.
"""

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from web.api.live import HEARTBEAT_S
from web.call import Call
from web.clients import FORWARDED_FOR
from web.middleware import REQUEST_ID
from web.problems import Problem, unavailable

MARK = "Treasury-Forwarded"
UPLOAD_TIMEOUT_S = 600.0
SESSION = web.AppKey("session", aiohttp.ClientSession)

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OURS = frozenset(
    {"host", "content-length", "expect", "x-request-id", MARK.lower(), FORWARDED_FOR.lower()}
)
_THEIRS = frozenset({"content-length", "date", "server", "x-request-id"})


def open_session() -> aiohttp.ClientSession:
    """The client for other workers: no proxies, no cookies, bodies as they are."""
    return aiohttp.ClientSession(
        trust_env=False, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    )


async def forward(call: Call, url: str) -> web.StreamResponse:
    """The owner's answer, a stream piece by piece. Raises `Problem` 503 when it cannot be had."""
    request, context = call.request, call.context
    if MARK in request.headers:
        raise unavailable("not-serving", "The tenant's partition is moving between workers.")
    headers = _passed_on(request.headers, _OURS)
    headers[MARK] = "1"
    headers["X-Request-Id"] = request[REQUEST_ID]
    told = [*request.headers.getall(FORWARDED_FOR, []), request.remote or ""]
    headers[FORWARDED_FOR] = ", ".join(each for each in told if each)
    try:
        async with request.app[SESSION].request(
            request.method,
            URL(url.rstrip("/") + request.raw_path, encoded=True),
            headers=headers,
            data=await request.read() if request.method == "POST" else None,
            allow_redirects=False,
            timeout=_timeout(call),
        ) as answer:
            if answer.content_type == "text/event-stream":
                return await _stream(call, answer)
            body = await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _unanswered(call, error) from error
    context.metrics.forwarded("answered")
    return web.Response(
        status=answer.status, body=body, headers=_passed_on(answer.headers, _THEIRS)
    )


def _timeout(call: Call) -> aiohttp.ClientTimeout:
    """How long the owner may take; a stream may go on, if it says something now and then."""
    if call.route.live:
        return aiohttp.ClientTimeout(total=None, connect=2, sock_read=2 * HEARTBEAT_S)
    total_s = UPLOAD_TIMEOUT_S if call.route.body_bytes_max else None
    return aiohttp.ClientTimeout(
        total=total_s or call.context.settings.forward_timeout_s, connect=2
    )


async def _stream(call: Call, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Piece by piece, until either side ends it."""
    response = web.StreamResponse(status=answer.status, headers=_passed_on(answer.headers, _THEIRS))
    await response.prepare(call.request)
    call.context.metrics.forwarded("answered")
    try:
        async for piece in answer.content.iter_any():
            await response.write(piece)
    except (aiohttp.ClientError, TimeoutError, OSError):
        call.context.metrics.forwarded("ended")  # by one side: whoever reads comes back
    return response


def _unanswered(call: Call, error: Exception) -> Problem:
    """What no answer means: nothing was sent, or a command may have been taken."""
    sent = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    if sent and call.request.method != "GET":
        call.context.metrics.forwarded("unknown")
        detail = "The owner of the tenant did not answer. Repeat the request with the same key."
        return unavailable("outcome-unknown", detail)
    call.context.metrics.forwarded("unreachable")
    return unavailable("not-serving", "The owner of the tenant cannot be reached.")


def _passed_on(headers: CIMultiDictProxy[str], without: frozenset[str]) -> CIMultiDict[str]:
    """Headers that travel from end to end (RFC 9110 7.6.1)."""
    named = {
        name.strip().lower()
        for value in headers.getall("Connection", [])
        for name in value.split(",")
    }
    dropped = _HOP_BY_HOP | without | named
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in dropped
    )

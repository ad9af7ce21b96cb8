"""Hands a request, once, to the worker that owns the tenant's partition, and its answer back.

The owner authenticates it again. A marked request is never handed on a second time: while
partitions move, the caller is told to come back rather than sent in circles.
"""

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from web.call import Call
from web.middleware import REQUEST_ID
from web.problems import Problem, unavailable

MARK = "Treasury-Forwarded"
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
_OURS = frozenset({"host", "content-length", "expect", "x-request-id", MARK.lower()})
_THEIRS = frozenset({"content-length", "date", "server", "x-request-id"})


def open_session() -> aiohttp.ClientSession:
    """The client for other workers: no proxies, no cookies, bodies as they are."""
    return aiohttp.ClientSession(
        trust_env=False, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    )


async def forward(call: Call, url: str) -> web.Response:
    """The owner's answer. Raises `Problem` 503 when it cannot be had."""
    request, context = call.request, call.context
    if MARK in request.headers:
        raise unavailable("not-serving", "The tenant's partition is moving between workers.")
    headers = _passed_on(request.headers, _OURS)
    headers[MARK] = "1"
    headers["X-Request-Id"] = request[REQUEST_ID]
    try:
        async with request.app[SESSION].request(
            request.method,
            URL(url.rstrip("/") + request.raw_path, encoded=True),
            headers=headers,
            data=await request.read() if request.method == "POST" else None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=context.settings.forward_timeout_s, connect=2),
        ) as answer:
            body = await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _unanswered(call, error) from error
    context.metrics.forwarded("answered")
    return web.Response(
        status=answer.status, body=body, headers=_passed_on(answer.headers, _THEIRS)
    )


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

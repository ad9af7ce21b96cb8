"""Around every request: its id, its log line, its metrics, its errors as problems, safe headers.

The log knows routes by their templates: no path, query, token or body ever reaches it.
"""

import re
import time
from uuid import uuid4

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from web import problems
from web.call import CONTEXT
from web.metrics import UNMATCHED

REQUEST_ID = web.RequestKey("request_id", str)
CALLER = web.RequestKey("caller", tuple[str, str])
"""(tenant, subject), once a token was verified."""

POLICY = "Content-Security-Policy"
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    POLICY: "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "treasury",
    "X-Content-Type-Options": "nosniff",
}

_acceptable_id = re.compile(r"[A-Za-z0-9._-]{8,64}").fullmatch
_log = structlog.get_logger("web.access")


def request_id_of(request: web.BaseRequest) -> str:
    """The id the caller chose, when it is harmless to log, else a new one."""
    given = request.headers.get("X-Request-Id", "")
    return given if _acceptable_id(given) else uuid4().hex


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id; log and count what came of it."""
    started_s = time.perf_counter()
    request_id = request[REQUEST_ID] = request_id_of(request)
    response = await _answered(request, handler, request_id)
    duration_s = time.perf_counter() - started_s
    route = _template(request)
    request.app[CONTEXT].metrics.served(request.method, route, response.status, duration_s)
    tenant_id, subject = request.get(CALLER, ("", ""))
    _log.info(
        "request",
        request_id=request_id,
        method=request.method if route != UNMATCHED else "",
        route=route,
        status=response.status,
        duration_ms=round(duration_s * 1000, 1),
        tenant_id=tenant_id,
        subject=subject,
    )
    return response


async def _answered(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
    try:
        return await handler(request)
    except Exception as error:
        problem = problems.from_error(error)
        if problem.status == 500:
            _log.exception("request failed", request_id=request_id, route=_template(request))
    response = problems.response_of(problem, request_id)
    if problem.status in {408, 413}:
        response.force_close()  # the rest of the body is not worth waiting for
    return response


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal before a response's head is sent, whoever made it."""
    policy = response.headers.get(POLICY)
    response.headers.update(SECURITY_HEADERS)
    if policy is not None:  # a page to look at has one of its own
        response.headers[POLICY] = policy
    response.headers["X-Request-Id"] = request.get(REQUEST_ID, "")

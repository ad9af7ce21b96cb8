"""Every error the API answers: an RFC 9457 problem with a stable code, never a stack trace.

Codes with hyphens are this layer's; codes with underscores are reasons of a decision, the same
words that the entry in the ledger carries.
"""

from collections.abc import Mapping, Sequence

import msgspec
from aiohttp import web

from agents.roles.desk import NotServing
from streams.errors import Unavailable

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 1


class Problem(Exception):
    """An answer with this HTTP status; `errors` name members by JSON pointer, without values."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = list(errors)


def unavailable(code: str, detail: str) -> Problem:
    """503: nothing was done, or nothing is known; the caller asks again with the same key."""
    return Problem(503, code, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def not_found() -> Problem:
    """404, word for word the same for what never was and for what another tenant has."""
    return Problem(404, "not-found", "There is no such resource.")


_OF_STATUS = {
    400: ("bad-request", "The request is not well-formed."),
    404: ("not-found", "There is no such resource."),
    405: ("method-not-allowed", "The resource does not support this method."),
    408: ("request-timeout", "The request did not arrive in time."),
    413: ("body-too-large", "The body is larger than this endpoint takes."),
    415: ("unsupported-media-type", "The media type of the body is not taken here."),
}


def of_status(status: int) -> Problem:
    """The problem of a status that carries nothing else."""
    code, detail = _OF_STATUS.get(status, ("internal" if status >= 500 else "bad-request", ""))
    return Problem(status, code, detail)


def from_error(error: Exception) -> Problem:
    """The problem that an exception amounts to; what nobody foresaw is 500 without its text."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, NotServing):
        return unavailable("not-serving", "The tenant's partition does not serve at this moment.")
    if isinstance(error, Unavailable):
        return unavailable(
            "outcome-unknown",
            "The command was taken, but its outcome is not known yet. Repeat it with the same key.",
        )
    if isinstance(error, web.HTTPException):
        problem = of_status(error.status)
        if "Allow" in error.headers:
            problem.headers["Allow"] = error.headers["Allow"]
        return problem
    return Problem(500, "internal", "The request failed here. The log has it by its request id.")


def body_of(problem: Problem, request_id: str) -> bytes:
    """The problem as JSON."""
    members: dict[str, object] = {
        "type": f"/docs/errors#{problem.code}",
        "title": problem.code.replace("-", " ").replace("_", " ").capitalize(),
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
    }
    if problem.errors:
        members["errors"] = problem.errors
    return msgspec.json.encode(members)


def response_of(problem: Problem, request_id: str) -> web.Response:
    """The problem as a response."""
    return web.Response(
        status=problem.status,
        body=body_of(problem, request_id),
        content_type=CONTENT_TYPE,
        headers=problem.headers,
    )

"""The platform's notifications service, as a small server on loopback.

Written from its API contract and event catalog, never from our own encoder. A key that was used is
answered `duplicate` under the first request's id, whatever the body. It queues, and only a report
says what became of a message: magic addresses are phones that end in 00 and mailboxes at
fail.example.test, which fail; so does a template that it does not have. A message that names no
document (`source_service`, `reference_type`, `reference_id`) is never reported.

`limits` are recipients a day by channel, `broke` are tenants without credit for SMS; `faults` are
taken by one request each. Ids follow from the order of messages; nothing is kept beyond the
process.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from aiohttp import web

from connectors.fake_server import FakeServer

CHANNELS = frozenset({"email", "sms", "push", "whatsapp"})
TEMPLATES = frozenset(
    {"invoice_created", "payment_reminder", "dunning", "payment_receipt", "payment_failed"}
)
SEED_PATH = "/v1/{tenant}/notifications/messages"
PUBLIC_PATH = "/api/v1/notifications/messages"
FAILING_HOST, FAILING_PHONE = "@fail.example.test", "00"
SUBJECT = "notifications.delivery.status"
DAY_S = 86_400
_TEXTS = ("channel", "tenant", "template")
_CORRELATION = ("source_service", "reference_type", "reference_id")
Object = dict[str, Any]


@dataclass
class Fault:
    """What becomes of one request: this status, before the work or after it; or no answer."""

    status: int = 0
    after: bool = False
    delay_s: float = 0.0
    drop: bool = False
    retry_after_s: int = 0
    body: bytes | None = None


@dataclass(frozen=True)
class Taken:
    """A message in the book."""

    request_id: str
    key: str
    tenant: str
    channel: str
    template: str
    to: tuple[str, ...]
    data: Object
    metadata: Object


class FakeNotifications(FakeServer):
    """`messages` is its book, by request id, in the order they came."""

    def __init__(
        self,
        *,
        api_key: str = "svc-treasury",
        templates: Iterable[str] = TEMPLATES,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.api_key, self._now = api_key, now
        self.templates = set(templates)
        self.messages: dict[str, Taken] = {}
        self.limits: dict[str, int] = {}
        self.broke: set[str] = set()
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, str]] = []
        """Every request in order: (path, idempotency key)."""
        self._by_key: dict[str, str] = {}
        self._used: Counter[tuple[str, str]] = Counter()

    @property
    def configuration(self) -> dict[str, str]:
        """What is needed to call this server."""
        return {"base_url": self.base_url, "api_key": self.api_key}

    def to(self, address: str) -> list[Taken]:
        """What was taken for one address."""
        return [each for each in self.messages.values() if address in each.to]

    def next_day(self) -> None:
        """Limits count anew."""
        self._used.clear()

    # -- requests -----------------------------------------------------------------------------

    def routes(self) -> Iterator[web.RouteDef]:
        """Both paths under which the service takes messages."""
        yield web.post(SEED_PATH, self._serve)
        yield web.post(PUBLIC_PATH, self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        self.requests.append((request.path, request.headers.get("Idempotency-Key", "")))
        fault = self.faults.popleft() if self.faults else Fault()
        if fault.status and not fault.after:
            return _faulty(fault)
        answer = self._answer(request, await request.read())
        await asyncio.sleep(fault.delay_s)
        if fault.drop and request.transport is not None:
            request.transport.abort()
        return _faulty(fault) if fault.status or fault.body is not None else answer

    def _answer(self, request: web.Request, body: bytes) -> web.Response:
        if request.headers.get("X-API-Key") != self.api_key:
            return _problem(401, "Unauthorized")
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return _problem(400, "Bad Request", "Idempotency-Key is missing")
        if request.content_type != "application/json":
            return _problem(415, "Unsupported Media Type")
        said = _object(body)
        fault = "not a JSON object" if said is None else _fault_of(said)
        if said is None or fault:
            return _problem(400, "Bad Request", fault)
        if request.match_info.get("tenant", said["tenant"]) != said["tenant"]:
            return _problem(403, "Forbidden", "the tenant of the path is another one")
        return self._refused(said) or self._queued(key, said)

    def _refused(self, said: Object) -> web.Response | None:
        """A tenant that has had its share of the day, or has no credit."""
        tenant, channel, many = said["tenant"], said["channel"], len(said["to"])
        limit, used = self.limits.get(channel), self._used[tenant, channel]
        if limit is not None and used + many > limit:
            return _too_many(f"{channel}_notifications_per_day", limit)
        if channel == "sms" and tenant in self.broke:
            said = {"error": "insufficient_credits", "type": "SMS", "balance": 0}
            return web.json_response(said, status=402)
        return None

    def _queued(self, key: str, said: Object) -> web.Response:
        """Taken, once: a key that is known is answered as a duplicate."""
        if key in self._by_key:
            return _taken("duplicate", self._by_key[key])
        request_id = f"req-{len(self.messages) + 1:06d}"
        self._by_key[key] = request_id
        self._used[said["tenant"], said["channel"]] += len(said["to"])
        self.messages[request_id] = Taken(
            request_id,
            key,
            said["tenant"],
            said["channel"],
            said["template"],
            tuple(said["to"]),
            said["data"],
            said.get("metadata") or {},
        )
        return _taken("queued", request_id)

    # -- reports ------------------------------------------------------------------------------

    def error_of(self, request_id: str) -> str:
        """Why a message fails; empty if it is sent."""
        message = self.messages[request_id]
        if message.template not in self.templates:
            return f"template not found: {message.template}"
        for address in message.to:
            if address.endswith(FAILING_HOST):
                return "550 mailbox unavailable"
            if message.channel != "email" and address.endswith(FAILING_PHONE):
                return "number not in service"
        return ""

    def report(self, request_id: str, *, library: bool = False) -> bytes | None:
        """The event about a message, in the platform's envelope or in the shared library's.

        None for a message that names no document.
        """
        message, error = self.messages[request_id], self.error_of(request_id)
        named = {name: message.metadata.get(name, "") for name in _CORRELATION}
        if not all(isinstance(value, str) and value for value in named.values()):
            return None
        told: Object = {
            "tenant_id": message.tenant,
            **named,
            "channel": message.channel,
            "template": message.template,
            "recipients": list(message.to),
            "status": "failed" if error else "sent",
            "request_id": request_id,
            **({"error": error} if error else {}),
        }
        event_id = str(uuid5(NAMESPACE_URL, f"report/{request_id}"))
        envelope = _of_library if library else _of_platform
        return json.dumps(envelope(event_id, self._now(), told)).encode()


def _of_platform(event_id: str, at: datetime, told: Object) -> Object:
    return {
        "event_id": event_id,
        "event_type": SUBJECT,
        "tenant_id": told["tenant_id"],
        "timestamp": _instant(at),
        "data": told,
    }


def _of_library(event_id: str, at: datetime, told: Object) -> Object:
    """A tenant that is no UUID is told as the nil UUID, as the library's reader leaves it."""
    try:
        tenant = UUID(told["tenant_id"])
    except ValueError:
        tenant = UUID(int=0)
    return {
        "id": event_id,
        "event_type": "delivery.status",
        "aggregate_type": "notification",
        "aggregate_id": str(uuid5(NAMESPACE_URL, f"aggregate/{event_id}")),
        "tenant_id": str(tenant),
        "payload": told,
        "timestamp": _instant(at),
        "version": "1.0",
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _object(body: bytes) -> Object | None:
    try:
        said = json.loads(body, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _fault_of(said: Object) -> str:
    """What is wrong with a body; empty if nothing is."""
    for name in _TEXTS:
        if not isinstance(said.get(name), str) or not said[name]:
            return f"{name} is required"
    if said["channel"] not in CHANNELS:
        return "channel is not known"
    if not isinstance(said.get("data"), dict) or not isinstance(said.get("metadata", {}), dict):
        return "data and metadata are objects"
    return _fault_of_receivers(said.get("to"), said["channel"])


def _fault_of_receivers(to: object, channel: str) -> str:
    if not isinstance(to, list) or not to or not all(isinstance(each, str) and each for each in to):
        return "to is a list of addresses"
    if any(("@" in each) != (channel == "email") for each in to):
        return "an address of another channel"
    return ""


def _taken(status: str, request_id: str) -> web.Response:
    return web.json_response({"status": status, "requestId": request_id}, status=202)


def _too_many(feature: str, limit: int) -> web.Response:
    headers = {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Feature": feature,
        "Retry-After": str(DAY_S),
    }
    said = {"error": "usage_limit_reached", "feature": feature, "limit": limit}
    return web.json_response(said, status=429, headers=headers)


def _problem(status: int, title: str, detail: str = "") -> web.Response:
    """An error as RFC 7807 has it."""
    said = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return web.Response(
        status=status, text=json.dumps(said), content_type="application/problem+json"
    )


def _faulty(fault: Fault) -> web.Response:
    headers = {"Retry-After": str(fault.retry_after_s)} if fault.retry_after_s else {}
    if fault.body is not None:
        return web.Response(status=fault.status or 202, body=fault.body, headers=headers)
    answer = _problem(fault.status, "Fault")
    answer.headers.update(headers)
    return answer

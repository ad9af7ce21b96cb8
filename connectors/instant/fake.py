"""The instant gateway itself, as a small server on loopback that remembers what it was told.

Magic amounts, by the last two digits of `amount_minor`:

    …13  declined, with failure `declined`
    …27  done, but the answer comes only after `HANG_S`, later than any caller waits
    …31  done, but the answer is status 500
    other  succeeded

`authorize` holds an amount under its own reference; `capture` takes of it and `void` frees it,
once: both name the `authorization`, and are declined as `not_held` if there is none or too little.

A repeat with the same key gets the same answer at once and has no second effect; the same key
with another body is answered 409. Nothing is kept beyond the process.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
from aiohttp import web

from connectors.fake_server import FakeServer

HANG_S = 30.0
DECLINED, HANGS, BREAKS = 13, 27, 31


class _Posted(msgspec.Struct, frozen=True):
    operation: str
    amount_minor: int
    currency: str
    authorization: str = ""


def reference_of(key: str) -> str:
    """The gateway's own reference of an operation: the same for the same key, always."""
    return "IN" + hashlib.sha256(key.encode()).hexdigest()[:14].upper()


class FakeGateway(FakeServer):
    """`effects` counts what was really done, by key."""

    max_body_bytes = 16 * 1024

    def __init__(
        self, *, api_key: str = "local", more_keys: Sequence[str] = (), hang_s: float = HANG_S
    ) -> None:
        self._api_key, self._hang_s = api_key, hang_s
        self._keys = {f"Bearer {key}": key for key in (api_key, *more_keys)}
        self.used: dict[str, str] = {}
        """The API key that each operation was last asked for under."""
        self._done: dict[str, tuple[bytes, dict[str, object]]] = {}
        self.held: dict[str, int] = {}
        """What is held for the callers, minor units by reference of the authorization."""
        self._stopping = asyncio.Event()
        self.tells = asyncio.Event()
        """While it is clear, nobody learns how an operation ended: asking again is not answered."""
        self.tells.set()
        self.calls: list[tuple[str, str]] = []
        """Every request in order: (method, key)."""
        self.effects: Counter[str] = Counter()
        """How often each key moved money; more than once is a fault of the gateway."""

    @property
    def configuration(self) -> dict[str, str]:
        """What a connector needs to call this gateway."""
        return {"base_url": self.base_url, "api_key": self._api_key}

    def routes(self) -> Iterator[web.RouteDef]:
        """One operation under each key."""
        yield web.post("/operations", self._post)
        yield web.get("/operations/{key}", self._get)

    async def stop(self) -> None:
        """Stop listening; requests that hang are answered first."""
        self._stopping.set()
        await super().stop()

    async def _post(self, request: web.Request) -> web.Response:
        key = request.headers.get("Idempotency-Key", "")
        self.calls.append(("POST", key))
        if not self._authorised(request) or not key:
            return web.json_response({"error": "unauthorised"}, status=401)
        self.used[key] = self._keys[request.headers["Authorization"]]
        body = await request.read()
        if key in self._done:
            await self.tells.wait()
            return self._repeated(key, body)
        try:
            posted = msgspec.json.decode(body, type=_Posted)
        except ValueError:
            return web.json_response({"error": "unreadable"}, status=400)
        operation = self._perform(key, body, posted)
        return await self._answer(operation, posted.amount_minor % 100)

    def _repeated(self, key: str, body: bytes) -> web.Response:
        before, operation = self._done[key]
        if before != body:
            return web.json_response({"error": "another body under this key"}, status=409)
        return web.json_response(operation)

    def _perform(self, key: str, body: bytes, posted: _Posted) -> dict[str, object]:
        operation: dict[str, object] = {
            "status": "succeeded",
            "reference": reference_of(key),
            "amount_minor": posted.amount_minor,
            "currency": posted.currency,
        }
        failure = self._failure(posted)
        if failure:
            operation |= {"status": "declined", "failure": failure}
        else:
            self.effects[key] += 1
            if posted.operation == "authorize":
                self.held[reference_of(key)] = posted.amount_minor
            self.held.pop(posted.authorization, None)
        self._done[key] = (body, operation)
        return operation

    def _failure(self, posted: _Posted) -> str:
        """Why it is declined; empty if it is not."""
        if posted.operation in {"capture", "void"}:
            held = self.held.get(posted.authorization, 0)
            return "" if 0 < posted.amount_minor <= held else "not_held"
        return "declined" if posted.amount_minor % 100 == DECLINED else ""

    async def _answer(self, operation: dict[str, object], magic: int) -> web.Response:
        if magic == HANGS:
            try:
                async with asyncio.timeout(self._hang_s):
                    await self._stopping.wait()
            except TimeoutError:
                pass
        if magic == BREAKS:
            return web.json_response({"error": "broken"}, status=500)
        return web.json_response(operation)

    async def _get(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        self.calls.append(("GET", key))
        await self.tells.wait()
        if not self._authorised(request):
            return web.json_response({"error": "unauthorised"}, status=401)
        if key not in self._done:
            return web.json_response({"error": "no such operation"}, status=404)
        return web.json_response(self._done[key][1])

    def _authorised(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") in self._keys

"""One tenant's sister services and people at a running installation: they publish, and they call.

Used by the demo's month and by tests. What was accepted is remembered, nothing is judged here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp
from nats.aio.client import Client

from compose.sending import ATTEMPTS, NotAccepted
from streams.ids import http_event_id
from streams.money import plain
from streams.timestamps import format_ms, parse_ms
from tests.model.wire import to_json

WITHIN_S = 60.0
POLL_S = 0.05
T = TypeVar("T")


@dataclass
class Accepted:
    """Messages that NATS took, and the last status of each command by (tenant, event id)."""

    messages: list[bytes] = field(default_factory=list)
    commands: dict[tuple[str, str], int] = field(default_factory=dict)


class Caller:
    """Speaks for one tenant; `token` makes bearer tokens, by subject."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        client: Client,
        url: str,
        tenant_id: str,
        *,
        token: Callable[[str], str],
        accepted: Accepted,
    ) -> None:
        self.tenant_id = tenant_id
        self._session, self._client, self._url = session, client, url
        self._token, self._accepted = token, accepted
        self._keys = 0

    # -- sister services ----------------------------------------------------------------------

    async def say(self, event_type: str, data: dict[str, Any], *, event_id: str = "") -> str:
        """Publish an event of now; its id. NATS has it, and nothing more is known."""
        event_id = event_id or str(uuid4())
        body = {
            "event_id": event_id,
            "event_type": event_type,
            "tenant_id": self.tenant_id,
            "timestamp": format_ms(time.time_ns() // 1_000_000),
            "data": data,
        }
        await self.publish(event_type, to_json(body))
        return event_id

    async def publish(self, subject: str, raw: bytes) -> None:
        """Publish these bytes until NATS has them."""
        jetstream = self._client.jetstream(timeout=20)
        await jetstream.publish(subject, raw)
        self._accepted.messages.append(raw)

    async def event(self, event_type: str, **data: Any) -> dict[str, Any]:
        """An event of now that is applied; its entry."""
        entry = (await self.entries_of(await self.say(event_type, data)))[-1]
        if entry["status"] != "applied":
            raise NotAccepted(f"{event_type} is {entry['status']}: {entry['reason']}")
        return entry

    async def entries_of(self, event_id: str, *, at_least: int = 1) -> list[dict[str, Any]]:
        """What an event became, once that is known; every entry of it."""

        async def found() -> list[dict[str, Any]]:
            status, body = await self._get(f"entries/{event_id}")
            entries = body["data"] if status == 200 else []
            return entries if len(entries) >= at_least else []

        return await self.until(found)

    # -- people and their programs ------------------------------------------------------------

    async def command(
        self, path: str, body: dict[str, Any], *, actor: str = "ann"
    ) -> tuple[int, dict[str, Any]]:
        """POST a command under a new key until it is decided: (status, answer).

        `path` is below the tenant, or below /api/v1 if it begins with a slash.
        """
        self._keys += 1
        key = f"{self.tenant_id}-{self._keys}"
        headers = {"Idempotency-Key": key, "Authorization": f"Bearer {self._token(actor)}"}
        for _ in range(ATTEMPTS):
            try:
                async with self._session.post(
                    self._path(path), json=body, headers=headers
                ) as response:
                    answer = plain(await response.read())
                    if response.status not in {429, 503}:
                        self._decided(path, key, response.status)
                        return response.status, answer
            except aiohttp.ClientConnectionError:
                pass  # the worker died on it, or is not there: the key makes asking again safe
            await asyncio.sleep(0.5)
        raise NotAccepted(f"{path} was not available {ATTEMPTS} times")

    def _decided(self, path: str, key: str, status: int) -> None:
        """Only of commands whose path names nothing is the event's id told from outside."""
        if status in {200, 201, 202} and path.strip("/").count("/") == int(path[:1] == "/"):
            place = f"/api/v1{path}" if path[:1] == "/" else f"/api/v1/{{tenant}}/{path}"
            event_id = http_event_id(self.tenant_id, f"POST {place}", key)
            self._accepted.commands[self.tenant_id, event_id] = status

    async def done(self, path: str, *, actor: str = "ann", **body: Any) -> dict[str, Any]:
        """A command that is carried out; its answer."""
        status, answer = await self.command(path, body, actor=actor)
        if status >= 300:
            raise NotAccepted(f"{path} was answered {status}: {answer}")
        return answer

    async def send(self, path: str, file: bytes) -> dict[str, Any]:
        """POST a file below the tenant that is taken; the answer."""
        headers = {
            "Authorization": f"Bearer {self._token('ann')}",
            "Content-Type": "application/octet-stream",
        }
        for _ in range(ATTEMPTS):
            async with self._session.post(self._path(path), data=file, headers=headers) as answer:
                body: dict[str, Any] = plain(await answer.read())
                if answer.status == 200:
                    return body
                if answer.status not in {429, 503}:
                    raise NotAccepted(f"{path} was answered {answer.status}: {body}")
            await asyncio.sleep(0.5)
        raise NotAccepted(f"{path} was not available {ATTEMPTS} times")

    async def refused(self, path: str, *, actor: str = "ann", **body: Any) -> str:
        """A command that is not carried out; the code of its problem."""
        status, answer = await self.command(path, body, actor=actor)
        if status < 400:
            raise NotAccepted(f"{path} was answered {status}, which it should not be: {answer}")
        return str(answer["code"])

    async def pay(self, wanted: str = "succeeded", **wish: Any) -> str:
        """Pay through the instant gateway and wait for the end; the payment's id."""
        intent = await self.done("/payments/intents", **wish)
        payment_id = str(intent["payment_id"])
        await self.done("/payments/confirm", payment_id=payment_id, method="instant")
        await self.become("payments/intents", payment_id, wanted)
        return payment_id

    async def get(self, path: str) -> dict[str, Any]:
        """GET a path below the tenant that is there."""
        status, body = await self._get(path)
        if status != 200:
            raise NotAccepted(f"{path} was answered {status}: {body}")
        return body

    async def _get(self, path: str) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self._token('ann')}"}
        for _ in range(ATTEMPTS):
            try:
                async with self._session.get(self._path(path), headers=headers) as response:
                    if response.status not in {429, 503}:
                        return response.status, plain(await response.read())
            except aiohttp.ClientConnectionError:
                pass  # as above
            await asyncio.sleep(0.5)
        raise NotAccepted(f"{path} was not available {ATTEMPTS} times")

    def _path(self, path: str) -> str:
        if path.startswith("/"):
            return f"{self._url}/api/v1{path}"
        return f"{self._url}/api/v1/{self.tenant_id}/{path}"

    # -- what it becomes ----------------------------------------------------------------------

    async def become(
        self, path: str, row_id: str, status: str, *, within_s: float = WITHIN_S
    ) -> dict[str, Any]:
        """The resource, once it is in this status."""

        async def found() -> dict[str, Any] | None:
            row = await self.get(f"{path}/{row_id}")
            return row if row["status"] == status else None

        otherwise = f"{path}/{row_id} is not {status}"
        return await self.until(found, otherwise, within_s=within_s)

    async def only(self, path: str, **members: Any) -> dict[str, Any]:
        """The one row of a list that has these members, once it is there."""

        async def found() -> dict[str, Any] | None:
            rows = (await self.get(f"{path}?limit=100"))["data"]
            mine = [row for row in rows if members.items() <= row.items()]
            if len(mine) > 1:
                raise NotAccepted(f"several of {path} have {members}")
            return mine[0] if mine else None

        return await self.until(found, f"none of {path} has {members}")

    async def until(
        self,
        ask: Callable[[], Awaitable[T | None]],
        otherwise: str = "it did not come",
        *,
        within_s: float = WITHIN_S,
    ) -> T:
        """What `ask` gives once that is something."""
        ends = time.monotonic() + within_s
        while not (found := await ask()):
            if time.monotonic() > ends:
                raise TimeoutError(f"{self.tenant_id}: {otherwise}")
            await asyncio.sleep(POLL_S)
        return found

    async def balances(self) -> dict[tuple[str, str], str]:
        """Balances on their normal side that are not zero, as text, by (account, currency)."""
        rows = (await self.get("balances"))["data"]
        told = {(row["account"], row["currency"]): row["balance"]["amount"] for row in rows}
        return {account: text for account, text in told.items() if text.strip("-0.")}

    async def now(self) -> str:
        """The tenant's clock."""
        return str((await self.get("clock"))["now"])

    async def advance(self, to: str) -> None:
        """Put the sandbox's clock forward, and wait until it is there."""
        await self.done("clock/advance", to=to)

        async def there() -> bool:
            return parse_ms(await self.now()) >= parse_ms(to)

        await self.until(there, f"the clock did not come to {to}")

"""Balances as they change, as server-sent events (WHATWG HTML, "Server-sent events").

A stream begins with every balance as committed now, then says `synced`, then tells each change
once it is committed; a slow reader gets the newest only. It ends after five minutes, when the
tenant's partition moves and when the worker stops: a browser comes back by itself, is judged again
and begins with everything again, so nothing is missed.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import structlog
from aiohttp import web

from agents.roles.watching import Watch
from streams.errors import Unavailable
from tables.balances import Balance
from web import shapes
from web.api.balances import read_balances
from web.call import Call
from web.lists import parameters
from web.problems import Problem, unavailable

LIVE_FOR_S = 300.0
HEARTBEAT_S = 15.0
WRITE_TIMEOUT_S = 30.0
_log = structlog.get_logger("web.live")
STREAMS_MAX, STREAMS_OF_TENANT_MAX = 200, 20
_HEADERS = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}


class Streams:
    """The open streams of this process: bounded, and ended when it stops."""

    def __init__(self) -> None:
        self._of_tenant = Counter[str]()
        self._watches: set[Watch] = set()

    @contextmanager
    def place(self, tenant_id: str, watch: Watch) -> Iterator[None]:
        """Room for one more. Raises `Problem` 429 when there is none."""
        if len(self._watches) >= STREAMS_MAX or self._of_tenant[tenant_id] >= STREAMS_OF_TENANT_MAX:
            raise Problem(
                429,
                "too-many-streams",
                f"A tenant has {STREAMS_OF_TENANT_MAX} streams at most.",
                headers={"Retry-After": "5"},
            )
        self._watches.add(watch)
        self._of_tenant[tenant_id] += 1
        try:
            yield
        finally:
            self._watches.discard(watch)
            self._of_tenant[tenant_id] -= 1
            if not self._of_tenant[tenant_id]:
                del self._of_tenant[tenant_id]

    def end(self) -> None:
        """Have all of them end."""
        for watch in self._watches:
            watch.end()


STREAMS = web.AppKey("streams", Streams)


async def stream_balances(call: Call) -> web.StreamResponse:
    """Balances of accounts that begin with `account`, now and whenever they change."""
    given = parameters(call)
    account, currency = given.get("account", ""), given.get("currency")
    prefix = Balance.prefix_of(call.tenant_id) + account.encode()
    with (
        call.context.desk.watch(call.tenant_id, prefix) as watch,
        call.request.app[STREAMS].place(call.tenant_id, watch),
    ):
        rows, position = await _now(call, account)
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(call.request)
        if call.request.method == "HEAD":
            return response
        stream = _Stream(response, currency)
        try:
            await stream.begin(rows, position)
            await _follow(call, watch, stream)
        except (ConnectionError, TimeoutError, Unavailable) as ended:
            # The reader is gone or too slow, or the partition is: whoever reads comes back.
            _log.info("stream_ended", reason=type(ended).__name__)
    return response


async def _now(call: Call, account: str) -> tuple[list[Balance], dict[str, int]]:
    """All balances and their position. Raises `Problem`: 422 if too many, 503 if not in time."""
    try:
        async with asyncio.timeout(call.context.settings.read_timeout_s):
            rows, position, has_more = await read_balances(call, account)
    except TimeoutError:
        raise unavailable("not-serving", "The balances did not come in time.") from None
    if has_more:
        raise Problem(422, "too-many-accounts", "Narrow the stream by `account`.")
    return rows, position


async def _follow(call: Call, watch: Watch, stream: "_Stream") -> None:
    """Tell changes until it is time to end."""
    ends_s = time.monotonic() + LIVE_FOR_S
    while (left_s := ends_s - time.monotonic()) > 0:
        keys = await watch.changed(min(HEARTBEAT_S, left_s))
        if watch.over:
            return
        if not keys:
            await stream.write(b": still here\n\n")
            continue
        async with call.context.desk.view(call.tenant_id) as view:
            found = [view.get(key) for key in sorted(keys)]
        await stream.tell([row for row in found if isinstance(row, Balance)])


class _Stream:
    """What is written to one reader."""

    def __init__(self, response: web.StreamResponse, currency: str | None) -> None:
        self._response, self._currency = response, currency

    async def begin(self, rows: Sequence[Balance], position: Any) -> None:
        """All balances, and that these are all."""
        await self.write(b"retry: 1000\n\n")
        await self.tell(rows)
        await self.write(_event("synced", {"position": position}))

    async def tell(self, rows: Sequence[Balance]) -> None:
        """These balances, if the reader wants their currency."""
        said = [
            _event("balance", shapes.balance(row))
            for row in rows
            if self._currency in {None, row.asset}
        ]
        if said:
            await self.write(b"".join(said))

    async def write(self, data: bytes) -> None:
        """Raises TimeoutError when the reader takes nothing for too long."""
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await self._response.write(data)


def _event(name: str, data: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"

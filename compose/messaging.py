"""The connection to NATS: it never gives up, and if it does all the same, the process ends.

The client's own reconnecting ends without a word at an error it does not expect, or waits for ever
for a connection that will not close; its status is "reconnecting" from then on. Its closing, when
the server went away at that moment, ends in a cancellation that nobody asked for.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn

import nats
import structlog
from nats.aio.client import Client

from agents.roles.outages import uninterrupted
from streams.errors import Unavailable

ATTEMPT_EVERY_S = 0.5
PING_EVERY_S = 10  # two without an answer: the connection is dead, whatever TCP says
GIVEN_UP_S = 60.0
log = structlog.get_logger(__name__)


async def connect_nats(
    client: Client,
    url: str,
    *,
    name: str,
    closed: Callable[[], Awaitable[None]],
    attempt_every_s: float = ATTEMPT_EVERY_S,
) -> None:
    """Connect, however long that takes, and again for ever; `closed` is called if it ends."""
    await client.connect(
        url,
        name=name,
        max_reconnect_attempts=-1,
        reconnect_time_wait=attempt_every_s,
        ping_interval=PING_EVERY_S,
        error_cb=_error,
        closed_cb=closed,
    )


async def close_nats(client: Client) -> None:
    """Close a connection, whatever it is doing.

    One that has just lost its server waits for the old socket and cancels that wait as it closes;
    it is closed when the cancellation comes out.
    """
    with suppress(Unavailable):
        await uninterrupted(client.close())


@asynccontextmanager
async def nats_client(url: str, **options: Any) -> AsyncIterator[Client]:
    """A connection for a while, with the client's own options."""
    client = await nats.connect(url, **options)
    try:
        yield client
    finally:
        await close_nats(client)


async def watch_nats(client: Client, *, given_up_s: float = GIVEN_UP_S) -> NoReturn:
    """Raise `Unavailable` once the client is without a connection and tries none for so long."""
    before, since_s = _attempts(client), time.monotonic()
    while True:
        await asyncio.sleep(given_up_s / 20)
        attempts, now_s = _attempts(client), time.monotonic()
        if client.is_connected or attempts != before:
            before, since_s = attempts, now_s
        elif now_s - since_s >= given_up_s:
            raise Unavailable(f"the NATS client has tried no server for {given_up_s:g} s")


def _attempts(client: Client) -> list[tuple[int, float | None]]:
    return [(each.reconnects, each.last_attempt) for each in client._server_pool]  # noqa: SLF001


async def _error(error: Exception) -> None:
    log.warning("nats_error", error=f"{type(error).__name__}: {error}")

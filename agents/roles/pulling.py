"""Pull requests to one durable JetStream consumer, bounded in messages and bytes.

Speaks the pull protocol itself, because the client's own `fetch` has no bound in bytes, hides
the server's refusals and spends more on each message than everything we do with it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

EXPIRES_S = 5.0
HEARTBEAT_S = 1.0
SILENT_S = 2.5  # heartbeats come every second: more silence than this means a lost request
OVERHEAD_BYTES = 64 * 1024  # subject, headers and ack subject count in a request's bytes

# Nothing to give (404, 408), or given as much as was asked for (409).
_ENDS = {"404", "408"}
_BENIGN = ("Batch Completed", "Message Size Exceeds MaxBytes")
_IDLE, _CONFLICT = "100", "409"


@dataclass(slots=True)
class _Request:
    """What the server still owes us for one pull request."""

    subject: str
    remaining: int


class Puller:
    """One pull request at a time; what arrives is taken in the order of arrival."""

    def __init__(
        self,
        client: Client,
        stream: str,
        consumer: str,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._monotonic_s = monotonic_s
        self._inbox = client.new_inbox()
        self._requests = 0
        self._open: _Request | None = None
        self._arrived: list[Msg] = []
        self._wake = asyncio.Event()
        self._heard_s = 0.0
        self._unsubscribe: Callable[[], Awaitable[None]] | None = None
        self.trouble = ""
        """Why the server refused the last request; empty while all is well."""

    @property
    def least_bytes(self) -> int:
        """A request for fewer bytes could never be given the largest message."""
        return int(self._client.max_payload) + OVERHEAD_BYTES

    @property
    def idle(self) -> bool:
        """Whether nothing has arrived and nothing is asked for."""
        return self._open is None and not self._arrived

    async def start(self) -> None:
        """Listen for answers."""
        subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._on_message)
        self._unsubscribe = subscription.unsubscribe

    async def stop(self) -> None:
        """Stop listening; the server drops an open request with its inbox."""
        if self._unsubscribe is not None and not self._client.is_closed:
            await self._unsubscribe()

    async def ask(self, count: int, size_bytes: int) -> None:
        """Ask for at most so many messages and bytes; nothing while the server is away.

        A request sent during an outage would be buffered and, once the server is back, stand
        beside those that followed it.
        """
        if not self._client.is_connected:
            return
        self._requests += 1
        self._open = _Request(f"{self._inbox}.{self._requests}", count)
        self._heard_s = self._monotonic_s()
        self.trouble = ""
        wanted = {
            "batch": count,
            "max_bytes": size_bytes,
            "expires": int(EXPIRES_S * 1e9),
            "idle_heartbeat": int(HEARTBEAT_S * 1e9),
        }
        await self._client.publish(self._next, msgspec.json.encode(wanted), self._open.subject)

    async def take(self) -> list[Msg]:
        """What has arrived, waiting a while for the first; empty when nothing came."""
        if not self._arrived and (self._open is not None or not self._client.is_connected):
            try:
                async with asyncio.timeout(SILENT_S):
                    await self._wake.wait()
            except TimeoutError:
                self._give_up_if_silent()
        self._wake.clear()
        arrived, self._arrived = self._arrived, []
        return arrived

    def _give_up_if_silent(self) -> None:
        if self._monotonic_s() - self._heard_s >= SILENT_S:
            self._open = None

    async def _on_message(self, message: Msg) -> None:
        self._heard_s = self._monotonic_s()
        if not message.reply:
            self._on_status(message)
            return
        self._arrived.append(message)
        self._wake.set()
        if self._open is not None:
            self._open.remaining -= 1
            if self._open.remaining <= 0:
                self._open = None

    def _on_status(self, message: Msg) -> None:
        headers = message.headers or {}
        status, description = headers.get("Status", ""), headers.get("Description", "")
        if status == _IDLE or self._open is None or message.subject != self._open.subject:
            return
        self._open = None
        if status not in _ENDS and not (status == _CONFLICT and description in _BENIGN):
            self.trouble = f"{status} {description}".strip()
        self._wake.set()

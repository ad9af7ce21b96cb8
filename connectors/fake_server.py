"""What fakes of providers share: each is a small server on loopback, while `async with` lasts.

A fake is written from its provider's documentation, never from our own encoder: so that what both
get wrong in the same way is seen.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Self

import aiohttp
from aiohttp import web

TELL_WITHIN_S = 5


class FakeServer(ABC):
    """Listens on a free port of 127.0.0.1; `base_url` is where, once it is started."""

    base_url = ""
    max_body_bytes = 1024 * 1024
    _runner: web.AppRunner | None = None
    _session: aiohttp.ClientSession | None = None

    @abstractmethod
    def routes(self) -> Iterable[web.RouteDef]:
        """What it serves."""

    @property
    def session(self) -> aiohttp.ClientSession:
        """For what a provider tells by itself."""
        assert self._session is not None
        return self._session

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=self.max_body_bytes)
        app.add_routes(self.routes())
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TELL_WITHIN_S))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Hear nobody any more; what it is about to tell is told."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def close(self) -> None:
        """Hear and tell nothing any more."""
        await self.stop()
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

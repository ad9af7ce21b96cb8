"""The listening socket: starts, and stops by letting requests under way finish.

Also what aiohttp leaves open before a request exists: a head that never ends is cut off, and one
that is no HTTP is answered as a problem, without its bytes in the log.
"""

import asyncio
from typing import Any

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from web.app import build_app
from web.call import Context
from web.middleware import SECURITY_HEADERS, request_id_of
from web.problems import of_status, response_of

MAX_LINE_BYTES = 8_190
MAX_HEADERS = 100

_log = structlog.get_logger("web.server")


class Server:
    """One web layer on one address."""

    def __init__(self, context: Context, *, host: str, port: int) -> None:
        self._host, self._port = host, port
        limits = context.settings
        self._runner = _Runner(
            build_app(context),
            head_timeout_s=limits.head_timeout_s,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=limits.idle_timeout_s,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            max_headers=MAX_HEADERS,
            lingering_time=1.0,
            auto_decompress=False,
            shutdown_timeout=limits.drain_timeout_s,
        )

    async def start(self) -> None:
        """Listen. Port 0 takes a free one."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, backlog=1024)
        await site.start()
        self._port = self._runner.addresses[0][1]

    @property
    def url(self) -> str:
        """Where it listens, once started."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def stop(self) -> None:
        """Take no new request; give those under way the drain timeout."""
        await self._runner.cleanup()


class _Runner(web.AppRunner):
    """aiohttp's, with our protocol for each connection."""

    def __init__(self, app: web.Application, *, head_timeout_s: float, **options: Any) -> None:
        super().__init__(app, **options)
        self._head_timeout_s = head_timeout_s

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        server = _Server(made.request_handler, request_factory=made.request_factory)
        server._kwargs = made._kwargs  # noqa: SLF001  no other way to choose the protocol
        server.head_timeout_s = self._head_timeout_s
        return server


class _Server(web.Server):
    head_timeout_s: float

    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=asyncio.get_running_loop(), **self._kwargs)


class _Protocol(RequestHandler):
    """A connection."""

    __slots__ = ("_head_deadline",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        server = self._manager
        assert isinstance(server, _Server)
        loop = asyncio.get_running_loop()
        self._head_deadline = loop.call_later(server.head_timeout_s, self._cut_off)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._head_deadline.cancel()
        super().connection_lost(exc)

    def _cut_off(self) -> None:
        """No request came whole since the connection was made; later the idle timeout watches."""
        if self._request_count == 0:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  aiohttp's signature; it quotes the request
    ) -> web.StreamResponse:
        request_id = request_id_of(request)
        _log.warning("no request", status=status, error=type(exc).__name__, request_id=request_id)
        if request.writer.output_size > 0:
            raise ConnectionError("the response is under way already")
        response = response_of(of_status(status), request_id)
        response.headers.update(SECURITY_HEADERS)
        response.headers["X-Request-Id"] = request_id
        response.force_close()
        return response

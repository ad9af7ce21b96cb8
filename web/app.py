"""The aiohttp application: the route table, what surrounds every request, and nothing else."""

from collections.abc import AsyncIterator

from aiohttp import web

from web.api.live import STREAMS, Streams
from web.call import CONTEXT, Context
from web.endpoint import endpoint
from web.forward import SESSION, open_session
from web.limits import RATES, Rates
from web.middleware import add_headers, observe
from web.routes import ROUTES


def build_app(context: Context) -> web.Application:
    """The application of one process; its handlers know nothing but `context`."""
    app = web.Application(middlewares=[observe], client_max_size=context.settings.body_bytes_max)
    app[CONTEXT] = context
    app[RATES] = Rates(context.settings.requests_per_s, context.settings.requests_at_once)
    app[STREAMS] = Streams()
    app.on_shutdown.append(_end_streams)
    for route in ROUTES:
        handler = endpoint(route, context)
        app.router.add_route(route.method, route.path, handler)
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, handler)
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(_forwarding)
    return app


async def _end_streams(app: web.Application) -> None:
    app[STREAMS].end()


async def _forwarding(app: web.Application) -> AsyncIterator[None]:
    app[SESSION] = open_session()
    yield
    await app[SESSION].close()

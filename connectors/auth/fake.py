"""An auth service on loopback that knows some tenants, for tests.

Written from the public documentation of the service (README, docs/integrations), not from our
client: a tenant is an object with `id`, `name`, `slug`, `status` and more; without one 404.
"""

from typing import Any, Self

from aiohttp import web


class FakeAuthService:
    """Start with `async with`. `away` answers 503 to everybody; `asked` counts by tenant."""

    def __init__(self, api_key: str = "svc-treasury") -> None:
        self.api_key = api_key
        self.away = False
        self.tenants: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, int] = {}
        self.base_url = ""
        self._runner: web.AppRunner | None = None

    def add(self, tenant_id: str, **members: Any) -> None:
        """It knows this tenant from now on."""
        told = {"id": tenant_id, "name": tenant_id, "slug": tenant_id, "status": "active"}
        self.tenants[tenant_id] = told | {"logo_url": None, "contact_email": ""} | members

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/api/v1/tenants/{tenant}", self._get)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _get(self, request: web.Request) -> web.Response:
        tenant_id = request.match_info["tenant"]
        self.asked[tenant_id] = self.asked.get(tenant_id, 0) + 1
        if self.away:
            return web.json_response({"error": "unavailable"}, status=503)
        if request.headers.get("X-API-Key") != self.api_key:
            return web.json_response({"error": "unauthorized"}, status=401)
        if tenant_id not in self.tenants:
            return web.json_response({"error": "tenant not found"}, status=404)
        return web.json_response(self.tenants[tenant_id])

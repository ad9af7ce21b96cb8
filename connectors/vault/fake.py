"""A Vault on loopback that keeps one KV version 2 mount in memory, for tests.

Written from Vault's API documentation (secret/kv/kv-v2; api-docs, "error response", "HTTP status
codes"), not from our client.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from connectors.fake_server import FakeServer

MOUNT = "secret"
NEVER = ""


class FakeVault(FakeServer):
    """Serves once started. `token` is the one it takes, and may be changed, as `sealed` may."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.sealed = False
        self.asked = 0
        self._versions: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}

    def routes(self) -> Iterator[web.RouteDef]:
        """Reading, which is all that we do."""
        yield web.get(f"/v1/{MOUNT}/data/{{path:.+}}", self._read)

    def put(self, path: str, **members: Any) -> None:
        """Write the next version of a secret."""
        versions = self._versions.setdefault(path, [])
        metadata = {
            "created_time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "custom_metadata": None,
            "deletion_time": NEVER,
            "destroyed": False,
            "version": len(versions) + 1,
        }
        versions.append((members, metadata))

    def delete(self, path: str) -> None:
        """Delete the newest version, as the API does: marked, not gone."""
        self._versions[path][-1][1]["deletion_time"] = "2026-03-01T06:30:05.000000Z"

    async def _read(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.sealed:
            return _error(503, "Vault is sealed")
        if request.headers.get("X-Vault-Token") != self.token:
            return _error(403, "permission denied")
        versions = self._versions.get(request.match_info["path"])
        if versions is None:
            return _error(404)
        members, metadata = versions[-1]
        if metadata["deletion_time"]:
            return _answer(404, {"data": None, "metadata": metadata})
        return _answer(200, {"data": members, "metadata": metadata})


def _answer(status: int, data: dict[str, Any]) -> web.Response:
    body = {
        "request_id": "2d1ba9e6-6d2c-4a3c-9d5e-2f2a7e4b8c11",
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": None,
        "auth": None,
    }
    return web.Response(status=status, text=json.dumps(body), content_type="application/json")


def _error(status: int, *errors: str) -> web.Response:
    text = json.dumps({"errors": list(errors)})
    return web.Response(status=status, text=text, content_type="application/json")

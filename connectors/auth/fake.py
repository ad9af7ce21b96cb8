"""The platform's auth service on loopback: an OIDC issuer that rotates its keys, and look-ups.

Written from the public documentation of the service (README, docs/integrations) and of OpenID
Connect, not from our client: a tenant is an object with `id`, `name`, `slug`, `status` and more;
without one 404. Outlets are found by their tenant's slug; the list comes whole, or in pages by
number or cursor (`paging`).

Its key set has the current key and the one before it, and none that is in `hidden`. `faults` are
taken by one request each, by what is asked for; `served` counts answers of the same.
"""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from connectors.auth.fake_keys import Algorithm, SigningKey
from connectors.fake_server import FakeServer

PUBLISHED = 2
"""Keys that are shown: the current one and the one before."""
LIFETIME_S = 900
Kind = Literal["discovery", "keys", "tenants", "outlets"]
Paging = Literal["", "page", "cursor"]
Object = dict[str, Any]


@dataclass
class Fault:
    """What becomes of one request: this status, these bytes, or an answer that comes late."""

    status: int = 200
    body: bytes | None = None
    delay_s: float = 0.0


class FakeAuthService(FakeServer):
    """`away` answers 503 to everybody; `asked` counts by tenant.

    `issuer_said` is what its discovery document and its tokens call it, if that is not its
    address; `keys_address` is where it says that its keys are, if they are elsewhere.
    """

    def __init__(
        self,
        api_key: str = "svc-treasury",
        *,
        audience: str = "treasury",
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.api_key, self.audience, self._now_s = api_key, audience, now_s
        self.away = False
        self.tenants: dict[str, Object] = {}
        self.outlets: dict[str, list[Object]] = {}
        self.asked: dict[str, int] = {}
        self.faults: defaultdict[Kind, deque[Fault]] = defaultdict(deque)
        self.served: Counter[Kind] = Counter()
        self.paging: Paging = ""
        self.keys: list[SigningKey] = []
        """Every key there has been; the last one signs."""
        self.hidden: set[str] = set()
        """Ids of keys that its key set leaves out for the time being."""
        self.issuer_said, self.keys_address = "", ""

    # -- what it knows ------------------------------------------------------------------------

    def add(self, tenant_id: str, **members: Any) -> None:
        """It knows this tenant from now on."""
        told = {"id": tenant_id, "name": tenant_id, "slug": tenant_id, "status": "active"}
        self.tenants[tenant_id] = told | {"logo_url": None, "contact_email": ""} | members

    def add_outlet(self, tenant_id: str, outlet_id: str, **members: Any) -> None:
        """It knows this outlet of a tenant from now on."""
        told = {
            "id": outlet_id,
            "tenant_id": tenant_id,
            "code": outlet_id.upper(),
            "name": outlet_id,
            "use_case": "hospitality",
            "applicable_services": ["pos"],
            "is_hq": False,
            "status": "active",
        }
        self.outlets.setdefault(tenant_id, []).append(told | members)

    # -- keys and tokens ----------------------------------------------------------------------

    @property
    def issuer(self) -> str:
        """What it calls itself."""
        return self.issuer_said or self.base_url

    @property
    def key(self) -> SigningKey:
        """The key that signs now; the first one is made when it is asked for."""
        if not self.keys:
            self.rotate()
        return self.keys[-1]

    def rotate(self, algorithm: Algorithm = "RS256") -> SigningKey:
        """Sign with a fresh key from now on; the one before stays good for those who have it."""
        self.keys.append(SigningKey.make(f"key-{len(self.keys) + 1}", algorithm))
        return self.keys[-1]

    def token(self, *, key: SigningKey | None = None, **claims: Any) -> str:
        """An access token by the current key, or another one; a claim that is None is left out."""
        now_s = int(self._now_s())
        said = {
            "iss": self.issuer,
            "aud": [self.audience],
            "sub": "user-1",
            "tenant_id": "tenant-1",
            "tenant_slug": "tenant-1",
            "scope": [],
            "roles": [],
            "iat": now_s,
            "exp": now_s + LIFETIME_S,
            **claims,
        }
        given = {name: value for name, value in said.items() if value is not None}
        return (key or self.key).sign(given)

    # -- requests -----------------------------------------------------------------------------

    def routes(self) -> Iterator[web.RouteDef]:
        """Documents of RFC 8414 and 7517, and the service's own resources."""
        served: dict[str, tuple[Kind, Callable[[web.Request], web.Response]]] = {
            "/.well-known/openid-configuration": ("discovery", self._discovered),
            "/api/v1/.well-known/jwks.json": ("keys", self._key_set),
            "/api/v1/tenants/{id}": ("tenants", self._tenant),
            "/api/v1/tenants/{id}/outlets": ("outlets", self._outlets),
        }
        for path, (kind, answer) in served.items():
            yield web.get(path, self._serving(kind, answer))

    def _serving(self, kind: Kind, answer: Callable[[web.Request], web.Response]) -> Any:
        async def serve(request: web.Request) -> web.Response:
            self.served[kind] += 1
            fault = self.faults[kind].popleft() if self.faults[kind] else Fault()
            await asyncio.sleep(fault.delay_s)
            if fault.body is not None or fault.status != 200:
                return web.Response(status=fault.status, body=fault.body or b"")
            said = answer(request)
            return web.json_response({"error": "unavailable"}, status=503) if self.away else said

        return serve

    def _discovered(self, _request: web.Request) -> web.Response:
        issuer = self.issuer
        return web.json_response(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{self.base_url}/api/v1/authorize",
                "token_endpoint": f"{self.base_url}/api/v1/token",
                "jwks_uri": self.keys_address or f"{self.base_url}/api/v1/.well-known/jwks.json",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    def _key_set(self, _request: web.Request) -> web.Response:
        shown = self.keys[-PUBLISHED:]
        return web.json_response({"keys": [k.jwk for k in shown if k.kid not in self.hidden]})

    def _tenant(self, request: web.Request) -> web.Response:
        tenant_id = request.match_info["id"]
        self.asked[tenant_id] = self.asked.get(tenant_id, 0) + 1
        return self._one(request, self.tenants.get(tenant_id), "tenant not found")

    def _one(self, request: web.Request, found: Object | None, missing: str) -> web.Response:
        if request.headers.get("X-API-Key") != self.api_key:
            return web.json_response({"error": "unauthorized"}, status=401)
        if found is None:
            return web.json_response({"error": missing}, status=404)
        return web.json_response(found)

    def _outlets(self, request: web.Request) -> web.Response:
        """By slug, to everybody, as the service does."""
        slug = request.match_info["id"]
        for tenant_id, tenant in self.tenants.items():
            if tenant["slug"] == slug:
                listed = self.outlets.get(tenant_id, [])
                return web.json_response(_page(listed, self.paging, dict(request.query)))
        return web.Response(status=404, text="tenant not found")


def _page(listed: list[Object], paging: Paging, query: dict[str, str]) -> Any:
    """The whole list, or the page of it that is asked for."""
    limit = int(query.get("limit", "20"))
    if paging == "page":
        page = int(query.get("page", "1"))
        begin, end = (page - 1) * limit, page * limit
        more = end < len(listed)
        about = {"total": len(listed), "limit": limit, "page": page, "hasMore": more}
        return {"data": listed[begin:end], **about}
    if paging == "cursor":
        begin = int(query.get("cursor", "at-0").removeprefix("at-"))
        more = begin + limit < len(listed)
        then = {"next_cursor": f"at-{begin + limit}"} if more else {}
        return {"data": listed[begin : begin + limit], **then, "has_more": more}
    return listed

"""What the parts of this layer hand each other: the context of the process, a route, one call."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from aiohttp import web
from pydantic import BaseModel

from agents.roles.conduct import Gateways
from agents.roles.desk import Desk
from agents.roles.gateways import Secrets
from connectors.callback_tokens import Addresses
from connectors.envelope import Keyring
from connectors.webhooks.addresses import Network
from tables.postgres.chains import InBlock
from web.api_keys import ApiKeys
from web.auth import Verifier
from web.claims import Claims
from web.metrics import Metrics
from web.people import People


@dataclass(frozen=True)
class Settings:
    """Limits of the web layer; bytes and seconds. `cursor_key` is the same in every worker.

    `requests_per_s` and `requests_at_once` are of each tenant in this process; 0 is no limit.
    """

    cursor_key: bytes = field(repr=False)
    body_bytes_max: int = 1024 * 1024
    head_timeout_s: float = 10
    body_timeout_s: float = 10
    idle_timeout_s: float = 75
    decide_timeout_s: float = 10
    read_timeout_s: float = 8
    forward_timeout_s: float = 15
    drain_timeout_s: float = 15
    batch_in_flight: int = 64
    webhook_networks: tuple[Network, ...] = ()
    requests_per_s: int = 500
    requests_at_once: int = 1_000


def wall_clock_ms() -> int:
    """Milliseconds since 1970; for the timestamp a command bears, never for a decision."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Callbacks:
    """What callbacks of gateways are judged by; `secrets` are those of sister services.

    `networks` are where those of a gateway may come from, from anywhere without; `trusted` are our
    own proxies and workers, whose word on a client's address is taken.
    """

    addresses: Addresses
    gateways: Gateways
    secrets: Secrets
    networks: Mapping[str, tuple[Network, ...]] = field(default_factory=dict)
    trusted: tuple[Network, ...] = ()


async def _in_none(_tx_hash: str) -> InBlock | None:
    return None


@dataclass(frozen=True)
class Context:
    """The process as handlers see it.

    `pool` logs in as treasury_app. `keyring` seals secrets. `tenant_of_link` says whose a payment
    link is, which names no tenant. `key_set` is the JWKS document to
    show: that of the local issuer, which has no web server of its own; None where the auth service
    shows its keys. `in_block` finds a transaction of our own.
    """

    desk: Desk
    pool: asyncpg.Pool
    verifier: Verifier
    settings: Settings
    metrics: Metrics
    api_keys: ApiKeys
    people: People
    keyring: Keyring
    callbacks: Callbacks
    tenant_of_link: Callable[[str], Awaitable[str | None]]
    key_set: bytes | None = None
    in_block: Callable[[str], Awaitable[InBlock | None]] = _in_none
    clock_ms: Callable[[], int] = wall_clock_ms


@dataclass(frozen=True)
class Call:
    """One request that may be served: authorised, its key and its body checked."""

    request: web.Request
    context: Context
    route: "Route"
    claims: Claims | None
    idempotency_key: str
    model: BaseModel | None

    @property
    def tenant_id(self) -> str:
        """The tenant meant: the path's, which the caller may speak for, else the token's."""
        assert self.claims is not None
        return self.request.match_info.get("tenant", self.claims.tenant_id)


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Route:
    """One line of the table in web/routes.

    `scope` None is open to all. `model` reads a JSON body. `idempotent` demands Idempotency-Key.
    `filters` are the query parameters a list takes, beside `limit` and `cursor` if `paged`.
    `shows` is the JSON Schema of its good answer, which the specification is made of; None where
    the answer is no JSON. `media_type` is what a body is in if it is no JSON object. Of `tier` 1,
    the platform's superusers may call it for any tenant; of tier 0 nobody else may. A `live` one
    answers a stream that goes on. `body_bytes_max` is for bodies larger than all others, which may
    take minutes.
    """

    method: str
    path: str
    handler: Handler
    scope: str | None
    model: type[BaseModel] | None = None
    idempotent: bool = False
    summary: str = ""
    filters: tuple[str, ...] = ()
    paged: bool = False
    shows: Mapping[str, Any] | None = None
    media_type: str = ""
    tier: int = 2
    live: bool = False
    body_bytes_max: int = 0

    @property
    def name(self) -> str:
        """The route in logs, metrics and derived ids."""
        return f"{self.method} {self.path}"


CONTEXT = web.AppKey("context", Context)

"""Gateways as a tenant has them: its own credentials, else the platform's, each behind a guard.

One breaker for a gateway and an owner of credentials: a tenant whose key is bad must not shut the
gateway for the others, and new credentials do not open it again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import asyncpg

from agents.roles.counters import observe_provider
from agents.roles.secret_store import Resolved
from connectors.base import Acted, Result
from connectors.breaker import Breaker, State
from connectors.callbacks import Callback, Heard
from connectors.chain.assets import TAKEN
from connectors.chain.nonces import Nonces
from connectors.registry import connect
from connectors.routing import Health
from connectors.tokens import Shelf
from connectors.webhooks.addresses import AddressRefused, Network, check_url
from streams.errors import Misconfigured
from streams.money import plain
from tables.postgres.configuration import read_values
from tables.postgres.secrets import PLATFORM

TIER_TWO: Mapping[str, str] = {
    "ethereum": "ethereum",
    "kra": "tax",
    "mpesa": "mpesa",
    "polygon": "polygon",
}
"""Gateways of which a tenant's admins say something in plain words: by name (web/tier_two.py)."""
OWN_ONLY = frozenset({"kra"})
"""Gateways where nobody acts for another: the platform's own credentials are no tenant's default,
or its sales would be declared as another taxpayer's.
"""


class Gateway(Protocol):
    """A guarded connector: it always has a result (connectors/guard.py)."""

    @property
    def operations(self) -> frozenset[str]:
        """What it can do, as it is configured."""

    @property
    def breaker(self) -> State:
        """Where its breaker stands."""

    @property
    def is_open(self) -> bool:
        """Whether its breaker lets nothing out now."""

    @property
    def trouble(self) -> int:
        """How it fares of late: 0 is well, 1000 is not at all."""

    @property
    def public(self) -> Mapping[str, str]:
        """What payers may be shown: where they pay by hand."""

    def can(self, operation: str, asset: str) -> bool:
        """Whether it does this with money of this currency."""

    def doubts(self, operation: str) -> bool:
        """Whether a callback about it counts only once a query says the same."""

    async def perform(
        self, operation: str, key: str, request: bytes, *, told_at: str = ..., until_s: float = ...
    ) -> Result:
        """Do it, sending nothing after `until_s` of the monotonic clock."""

    async def query(
        self, operation: str, key: str, request: bytes, *, told_at: str = ..., handle: str = ...
    ) -> Result:
        """What became of it."""

    async def end(
        self, operation: str, key: str, request: bytes, *, told_at: str = ..., handle: str = ...
    ) -> Result:
        """The last look at a call whose payer has had its time."""

    @property
    def actions(self) -> frozenset[str]:
        """What people may have it do besides calls."""

    async def act(self, action: str, told_at: str, values: Mapping[str, str]) -> Acted:
        """An action of people's. Raises a `CallError` where it is not done."""

    async def hear(self, callback: Callback) -> Heard | None:
        """What its provider tells by itself."""


class Secrets(Protocol):
    """Where credentials come from (agents/roles/secret_store.py)."""

    async def resolve(self, tenant_id: str, prefix: str) -> Mapping[str, Resolved]:
        """Secrets whose names begin so: the tenant's own before the platform's."""


@dataclass(frozen=True, slots=True)
class Outside:
    """A session that reaches public addresses only, and `allowed` networks of our own besides."""

    session: aiohttp.ClientSession
    allowed: Sequence[Network] = ()


@dataclass(frozen=True, slots=True)
class Credentialed:
    """A gateway, and whose credentials it uses: "alpha@3", "platform@1", or "" for settings."""

    gateway: Gateway
    credentials: str


class Gateways:
    """All gateways of this process; `settings` are what the process itself says of each.

    `pool` reads what tenants say in plain words; without one only settings and secrets count. On
    the `shelf` all processes share tokens, in `nonces` what our wallets have signed.
    Nodes that tenants name themselves are spoken to from `outside` alone.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: Mapping[str, Mapping[str, str]],
        secrets: Secrets,
        pool: asyncpg.Pool | None = None,
        shelf: Shelf | None = None,
        *,
        nonces: Nonces | None = None,
        outside: Outside | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic_s = monotonic_s
        self._session, self._settings, self._secrets = session, settings, secrets
        self._pool, self._shelf, self._nonces = pool, shelf, nonces
        self._outside = outside
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._health: dict[tuple[str, str], Health] = {}
        self._built: dict[tuple[str, str], tuple[str, Gateway]] = {}

    def knows(self, gateway: str) -> bool:
        """Whether calls to this gateway can be made here."""
        return gateway in self._settings

    def open_breakers(self) -> Mapping[str, int]:
        """How many breakers of each gateway are not closed: one for each owner of credentials."""
        counted = dict.fromkeys(self._settings, 0)
        for (gateway, _owner), breaker in self._breakers.items():
            counted[gateway] += breaker.state != "closed"
        return counted

    async def of(self, tenant_id: str, gateway: str) -> Credentialed:
        """The gateway as this tenant has it now.

        Raises `Misconfigured` when something is missing, `Unreadable` when a secret does not open,
        and whatever Postgres raises while it is away.
        """
        found = await self._secrets.resolve(tenant_id, f"{gateway}.")
        if gateway in OWN_ONLY and tenant_id != PLATFORM:
            found = {name: each for name, each in found.items() if each.owner != PLATFORM}
        plain_values, version = await self._in_plain_words(tenant_id, gateway)
        own = version or any(secret.owner != PLATFORM for secret in found.values())
        owner = tenant_id if own else PLATFORM
        said = " ".join(_said(name, secret) for name, secret in sorted(found.items()))
        said = f"{said} configuration@{version}".strip() if version else said
        built = self._built.get((gateway, owner))
        if built is None or built[0] != said:
            values = {**plain_values, **_opened(gateway, found), **_owned(gateway, found)}
            built = said, self._build(gateway, owner, values)
            self._built[gateway, owner] = built
        return Credentialed(built[1], said)

    async def node(
        self, tenant_id: str, gateway: str
    ) -> tuple[dict[str, str], aiohttp.ClientSession]:
        """What a chain is configured by (settings, and the tenant's secrets or the platform's), and
        the session in which its node is spoken to.

        Raises KeyError for one that is not known here, `Misconfigured` and `Unreadable` as `of`.
        """
        found = await self._secrets.resolve(tenant_id, f"{gateway}.")
        members = {**self._settings[gateway], **_opened(gateway, found), **_owned(gateway, found)}
        return members, self._session_for(members)

    def _session_for(self, members: Mapping[str, str]) -> aiohttp.ClientSession:
        """Ours; for a node that a tenant has named, the one that reaches nothing inside.

        Raises `Misconfigured` for a node that is not spoken to.
        """
        if members.get("node_is_tenants") != "yes":
            return self._session
        if self._outside is None:
            raise Misconfigured("chain: rpc_url: a tenant's own node is not spoken to here")
        try:
            check_url(members["rpc_url"], self._outside.allowed)
        except AddressRefused as error:
            raise Misconfigured(f"chain: rpc_url: {error}") from None
        return self._outside.session

    async def _in_plain_words(self, tenant_id: str, gateway: str) -> tuple[dict[str, str], int]:
        """Members that the tenant's own configuration says, and its version; 0 for none."""
        if self._pool is None or gateway not in TIER_TWO:
            return {}, 0
        async with self._pool.acquire() as connection:
            rows = await read_values(connection, tenant_id, TIER_TWO[gateway])
        if not rows:
            return {}, 0
        value = plain(rows[0]["value"].encode())
        return _MEMBERS[gateway](value), rows[0]["version"]

    def _build(self, gateway: str, owner: str, values: Mapping[str, str]) -> Gateway:
        clock = self._monotonic_s
        breaker = self._breakers.setdefault((gateway, owner), Breaker(monotonic_s=clock))
        health = self._health.setdefault((gateway, owner), Health(monotonic_s=clock))
        members = {**self._settings[gateway], **values}
        if gateway in TAKEN:
            # Only what is watched for the tenant may be shown to its payers, and only its own key
            # may send its money.
            members["wallets"] = values.get("wallets", "")
        session = self._session_for(members)
        try:
            return connect(
                session,
                gateway,
                members,
                breaker,
                health,
                shelf=self._shelf,
                nonces=self._nonces,
                observe=observe_provider,
            )
        except ValueError as error:
            raise Misconfigured(str(error)) from None


def _opened(gateway: str, found: Mapping[str, Resolved]) -> dict[str, str]:
    """Secrets by the members they are."""
    return {
        name.removeprefix(f"{gateway}."): secret.value.get_secret_value()
        for name, secret in found.items()
    }


def _owned(gateway: str, found: Mapping[str, Resolved]) -> dict[str, str]:
    """Of a chain: whether its node and its key are the tenant's own, whatever else says so."""
    if gateway not in TAKEN:
        return {}
    own = {name: secret.owner != PLATFORM for name, secret in found.items()}
    return {
        "node_is_tenants": "yes" if own.get(f"{gateway}.rpc_url") else "no",
        "key_is_tenants": "yes" if own.get(f"{gateway}.private_key") else "no",
    }


def _of_mpesa(value: Mapping[str, Any]) -> dict[str, str]:
    members = {"short_code": value["short_code"]}
    if value["kind"] == "till":
        members["till"] = value["short_code"]
    return members


def _of_tax(value: Mapping[str, Any]) -> dict[str, str]:
    names = ("item_code", "item_class")
    return {"tin": value["pin"], **{name: value[name] for name in names if value.get(name)}}


def _of_chain(value: Mapping[str, Any]) -> dict[str, str]:
    return {"wallets": ",".join(value["wallets"])}


_MEMBERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    "mpesa": _of_mpesa,
    "kra": _of_tax,
    **dict.fromkeys(TAKEN, _of_chain),
}


def _said(name: str, secret: Resolved) -> str:
    owner = "platform" if secret.owner == PLATFORM else secret.owner
    return f"{name}:{owner}@{secret.version}"

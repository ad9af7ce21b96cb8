"""Gateways as a tenant has them: its own credentials, else the platform's, each behind a guard.

One breaker for a gateway and an owner of credentials: a tenant whose key is bad must not shut the
gateway for the others, and new credentials do not open it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from agents.roles.secret_store import Resolved
from connectors.base import Result
from connectors.breaker import Breaker
from connectors.registry import connect
from streams.errors import Misconfigured
from tables.postgres.secrets import PLATFORM


class Gateway(Protocol):
    """A guarded connector: it always has a result."""

    async def perform(
        self, operation: str, key: str, request: bytes, *, until_s: float = ...
    ) -> Result:
        """Do it, sending nothing after `until_s` of the monotonic clock."""

    async def query(self, operation: str, key: str, request: bytes) -> Result:
        """What became of it."""


class Secrets(Protocol):
    """Where credentials come from (agents/roles/secret_store.py)."""

    async def resolve(self, tenant_id: str, prefix: str) -> Mapping[str, Resolved]:
        """Secrets whose names begin so: the tenant's own before the platform's."""


@dataclass(frozen=True, slots=True)
class Credentialed:
    """A gateway, and whose credentials it uses: "alpha@3", "platform@1", or "" for settings."""

    gateway: Gateway
    credentials: str


class Gateways:
    """All gateways of this process; `settings` are what the process itself says of each."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: Mapping[str, Mapping[str, str]],
        secrets: Secrets,
    ) -> None:
        self._session, self._settings, self._secrets = session, settings, secrets
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._built: dict[tuple[str, str], tuple[str, Gateway]] = {}

    def knows(self, gateway: str) -> bool:
        """Whether calls to this gateway can be made here."""
        return gateway in self._settings

    async def of(self, tenant_id: str, gateway: str) -> Credentialed:
        """The gateway as this tenant has it now.

        Raises `Misconfigured` when something is missing, `Unreadable` when a secret does not open,
        and whatever Postgres raises while it is away.
        """
        prefix = f"{gateway}."
        found = await self._secrets.resolve(tenant_id, prefix)
        own = any(secret.owner != PLATFORM for secret in found.values())
        owner = tenant_id if own else PLATFORM
        said = " ".join(_said(name, secret) for name, secret in sorted(found.items()))
        built = self._built.get((gateway, owner))
        if built is None or built[0] != said:
            values = {
                name.removeprefix(prefix): secret.value.get_secret_value()
                for name, secret in found.items()
            }
            built = said, self._build(gateway, owner, values)
            self._built[gateway, owner] = built
        return Credentialed(built[1], said)

    def _build(self, gateway: str, owner: str, values: Mapping[str, str]) -> Gateway:
        breaker = self._breakers.setdefault((gateway, owner), Breaker())
        try:
            return connect(self._session, gateway, {**self._settings[gateway], **values}, breaker)
        except ValueError as error:
            raise Misconfigured(str(error)) from None


def _said(name: str, secret: Resolved) -> str:
    owner = "platform" if secret.owner == PLATFORM else secret.owner
    return f"{name}:{owner}@{secret.version}"

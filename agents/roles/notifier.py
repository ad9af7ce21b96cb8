"""The notifications service as a tenant has it: with its own key, else with the platform's."""

import time
from collections.abc import Mapping
from typing import Protocol

import aiohttp

from agents.roles.counters import observe_provider
from agents.roles.secret_store import Resolved
from connectors.base import Ambiguous, CallError, NotSent, Refused, TurnedAway
from connectors.notifications.client import Accepted, Client
from connectors.notifications.config import Config
from connectors.notifications.translate import Message
from streams.errors import Misconfigured

NAME = "notifications"
_ENDED: Mapping[type[CallError], str] = {
    NotSent: "not_sent",
    Ambiguous: "unclear",
    TurnedAway: "busy",
    Refused: "refused",
}


class Secrets(Protocol):
    """Where credentials come from (agents/roles/secret_store.py)."""

    async def resolve(self, tenant_id: str, prefix: str) -> Mapping[str, Resolved]:
        """Secrets whose names begin so: the tenant's own before the platform's."""


class Notifier:
    """Sends messages; `settings` are what the process itself says of the service."""

    def __init__(
        self, session: aiohttp.ClientSession, settings: Mapping[str, str], secrets: Secrets
    ) -> None:
        self._session, self._settings, self._secrets = session, settings, secrets

    async def send(self, message: Message) -> Accepted:
        """Have it sent. Raises a `CallError` as the client does.

        Raises `Misconfigured` when something is missing, `Unreadable` when the key does not open,
        and whatever Postgres raises while it is away: then nothing was sent.
        """
        client = Client(self._session, await self._config(message.tenant_id))
        started_s = time.perf_counter()
        outcome = "answered"
        try:
            return await client.send(message)
        except CallError as error:
            outcome = _ENDED[type(error)]
            raise
        finally:
            observe_provider(NAME, "send", outcome, time.perf_counter() - started_s)

    async def _config(self, tenant_id: str) -> Config:
        prefix = f"{NAME}."
        found = await self._secrets.resolve(tenant_id, prefix)
        sealed = {
            name.removeprefix(prefix): secret.value.get_secret_value()
            for name, secret in found.items()
        }
        try:
            return Config.read({**self._settings, **sealed})
        except ValueError as error:
            raise Misconfigured(str(error)) from None

"""Where the keys and passwords of a worker come from: its settings, files, or Vault.

In Vault stands one secret with members named as the settings are: master_key, old_master_keys,
postgres_dsn, app_password, archiver_password, auth_api_key. What the settings say themselves comes
first.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import aiohttp
from pydantic import SecretStr

from compose.settings import Settings, read_secret
from connectors.http import open_session
from connectors.vault.client import Vault
from streams.errors import Misconfigured

AT_START = ("postgres_dsn", "master_key", "old_master_keys", "auth_api_key")
"""Members that a worker reads once."""
PASSWORDS = ("app_password", "archiver_password")
"""Members that a worker asks for at each login to the database."""


async def resolved(settings: Settings) -> Settings:
    """The settings with all that Vault has for them now; for a command that soon ends."""
    async with Credentials(settings, at_start=(*AT_START, *PASSWORDS)) as credentials:
        return credentials.settings


class Credentials:
    """Open while the worker runs: a password may change under it."""

    def __init__(self, settings: Settings, at_start: Sequence[str] = AT_START) -> None:
        self._at_start = at_start
        self.settings = settings
        """As given; once entered, with the keys that were found."""
        self._session: aiohttp.ClientSession | None = None
        self._vault: Vault | None = None

    async def __aenter__(self) -> Self:
        settings = self.settings
        if settings.vault_url:
            self._session = open_session()
            try:
                self._vault = Vault(
                    self._session, settings.vault_url, settings.vault_secret, self._token
                )
                self.settings = await self._completed(self._vault)
            except BaseException:
                await self._session.close()
                raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def password(self, login: str) -> str:
        """The database password of a login, as it is now."""
        own = {"treasury_app": "app_password", "treasury_archiver": "archiver_password"}[login]
        given = getattr(self.settings, own).get_secret_value()
        if self._vault is None or given or getattr(self.settings, f"{own}_file"):
            return self.settings.password(login)
        return (await self._vault.read()).get(own) or self.settings.password(login)

    async def _completed(self, vault: Vault) -> Settings:
        settings, found = self.settings, await vault.read()
        unset = [name for name in self._at_start if not self._is_said(name)]
        values = {name: SecretStr(found[name]) for name in unset if name in found}
        # Validated as all settings are: a bad key in Vault is refused like one in a file.
        kept = {name: getattr(settings, name) for name in settings.model_fields_set}
        return Settings(**{**kept, **values})

    def _is_said(self, name: str) -> bool:
        """Whether the settings say it themselves; empty says nothing."""
        is_set = name in self.settings.model_fields_set
        return is_set and bool(getattr(self.settings, name).get_secret_value())

    def _token(self) -> str:
        settings = self.settings
        if settings.vault_token_file is not None:
            return read_secret(settings.vault_token_file)
        if not settings.vault_token.get_secret_value():
            raise Misconfigured("set TREASURY_VAULT_TOKEN or TREASURY_VAULT_TOKEN_FILE")
        return settings.vault_token.get_secret_value()

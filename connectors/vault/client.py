"""HashiCorp Vault's KV version 2, read only (its API documentation: secret/kv/kv-v2, "read secret
version"): one secret, whose members are our settings' names.

The token is read anew for each request: an agent beside us may renew it in its file.
"""

from collections.abc import Callable, Mapping
from urllib.parse import quote

import aiohttp

from connectors.base import CallError
from connectors.http import exchange, require_safe
from streams.errors import Misconfigured, Unavailable
from streams.money import plain


class Vault:
    """One secret of one Vault."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, secret: str, token: Callable[[], str]
    ) -> None:
        """`secret` is mount and path, as in secret/treasury. Raises `Misconfigured`."""
        require_safe(url, "Vault")
        mount, _, path = secret.partition("/")
        self._url = f"{url.rstrip('/')}/v1/{quote(mount)}/data/{quote(path)}"
        self._session, self._token = session, token

    async def read(self) -> Mapping[str, str]:
        """The members of the newest version that are text.

        Raises `Unavailable` while Vault is away or sealed, `Misconfigured` when it refuses us or
        has no such secret.
        """
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        try:
            answer = await exchange(self._session, "GET", self._url, headers=headers)
        except CallError as error:
            raise Unavailable(f"Vault does not answer: {error.reason}") from error
        if answer.status in {412, 429, 472, 473}:  # behind, throttled, or a standby of some kind
            raise Unavailable(f"Vault answers {answer.status}")
        if answer.status == 403:
            raise Misconfigured("Vault refuses our token for the secret")
        if answer.status == 404:
            raise Misconfigured("Vault has no such secret, or its newest version was deleted")
        return _members(answer.status, answer.body)


def _members(status: int, body: bytes) -> Mapping[str, str]:
    try:
        if status != 200:
            raise ValueError(status)
        found = plain(body)["data"]["data"]
        return {name: value for name, value in found.items() if isinstance(value, str)}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Misconfigured(f"Vault's answer ({status}) is no secret of KV version 2") from None

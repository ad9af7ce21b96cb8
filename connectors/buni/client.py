"""Buni's requests: addresses and tokens. Knows nothing of what answers mean for money.

(KCB documentation, "Authorization", "Funds transfer".)
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import aiohttp
import msgspec

from connectors.base import TurnedAway
from connectors.buni.config import Config
from connectors.http import Answer, exchange
from connectors.tokens import Shelf, Tokens, basic

TRANSFER = "/fundstransfer/1.0.0/api/v1/transfer"
_TOKEN = "/token?grant_type=client_credentials"  # noqa: S105  an address


class Client:
    """Speaks to Buni for one app."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        config: Config,
        *,
        shelf: Shelf | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session, self._config = session, config
        app = f"{config.base_url}\n{config.consumer_key}".encode()
        name = f"buni.{hashlib.sha256(app).hexdigest()[:32]}"
        self._tokens = Tokens(self._fetch, shelf=shelf, name=name, monotonic_s=monotonic_s)

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """POST as JSON; an answer below 500.

        Raises `NotSent`, `Ambiguous` or `TurnedAway`, and `Refused` when no token is to be had.
        """
        answer = await self._tokens.carry(partial(self._exchange, path, body))
        if answer.status == 429:
            raise TurnedAway("status 429", retry_after_s=answer.retry_after_s)
        return answer

    async def _exchange(
        self, path: str, body: Mapping[str, Any], bearer: Mapping[str, str]
    ) -> Answer:
        return await exchange(
            self._session,
            "POST",
            f"{self._config.base_url}{path}",
            body=msgspec.json.encode(body),
            headers={**bearer, "Content-Type": "application/json"},
        )

    async def _fetch(self) -> Answer:
        """The answer to a request for a token."""
        config = self._config
        headers = basic(config.consumer_key, config.consumer_secret)
        return await exchange(self._session, "POST", f"{config.base_url}{_TOKEN}", headers=headers)

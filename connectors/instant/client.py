"""The instant gateway's two requests. Knows addresses and headers, not what answers mean."""

from urllib.parse import quote

import aiohttp

from connectors.http import Answer, exchange
from connectors.instant.config import Config


class Client:
    """Speaks to one instant gateway."""

    def __init__(self, session: aiohttp.ClientSession, config: Config) -> None:
        self._session, self._config = session, config

    async def post(self, key: str, body: bytes) -> Answer:
        """POST /operations under an idempotency key; raises `NotSent` or `Ambiguous`."""
        headers = {
            "Authorization": f"Bearer {self._config.api_key}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        url = f"{self._config.base_url}/operations"
        return await exchange(self._session, "POST", url, body=body, headers=headers)

    async def get(self, key: str) -> Answer:
        """GET /operations/{key}; raises `NotSent` or `Ambiguous`."""
        headers = {"Authorization": f"Bearer {self._config.api_key}"}
        url = f"{self._config.base_url}/operations/{quote(key, safe='')}"
        return await exchange(self._session, "GET", url, headers=headers)

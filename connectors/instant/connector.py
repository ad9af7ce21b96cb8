"""The built-in gateway that settles at once: for demos, tests and the local stack."""

from collections.abc import Mapping

import aiohttp

from connectors.base import Connector, Result
from connectors.instant.client import Client
from connectors.instant.config import Config
from connectors.instant.translate import to_gateway, to_result

KEY_LIFETIME_S = 24 * 3600.0


class Instant:
    """Money moves, or is declined, by the time the call returns."""

    name = "instant"
    key_lifetime_s = KEY_LIFETIME_S

    def __init__(self, client: Client) -> None:
        self._client = client

    async def perform(self, operation: str, key: str, request: bytes) -> Result:
        """Do it; a request without a readable amount fails here, unsent."""
        try:
            body = to_gateway(operation, request)
        except (ValueError, LookupError) as error:
            return Result("failed", failure="bad_request", detail=type(error).__name__)
        return to_result(await self._client.post(key, body), "perform")

    async def query(self, operation: str, key: str, request: bytes) -> Result:  # noqa: ARG002
        """What became of the operation with this key."""
        return to_result(await self._client.get(key), "query")


def build(session: aiohttp.ClientSession, configuration: Mapping[str, str]) -> Connector:
    """The connector for this configuration; ValueError when that is incomplete."""
    return Instant(Client(session, Config.read(configuration)))

"""The built-in gateway that settles at once: for demos, tests and the local stack."""

from collections.abc import Mapping

import aiohttp

from connectors.base import Acted, Asked, Connector, Refused, Result
from connectors.callbacks import Callback, Heard, NotBelieved
from connectors.instant.client import Client
from connectors.instant.config import Config
from connectors.instant.translate import to_gateway, to_result
from connectors.tokens import Shelf

KEY_LIFETIME_S = 24 * 3600.0


class Instant:
    """Money moves, or is declined, by the time the call returns."""

    name = "instant"
    operations = frozenset({"collect", "authorize", "capture", "void", "payout", "refund"})
    capabilities = operations
    actions: frozenset[str] = frozenset()
    doubted: frozenset[str] = frozenset()

    def __init__(self, client: Client) -> None:
        self._client = client

    public: Mapping[str, str] = {}

    @staticmethod
    def takes(asset: str) -> bool:  # noqa: ARG004
        """Any."""
        return True

    def key_lifetime_s(self, asked: Asked) -> float:  # noqa: ARG002
        """A day, whatever it is."""
        return KEY_LIFETIME_S

    async def perform(self, asked: Asked) -> Result:
        """Do it; a request without a readable amount fails here, unsent."""
        try:
            body = to_gateway(asked.operation, asked.request)
        except (ValueError, LookupError) as error:
            return Result("failed", failure="bad_request", detail=type(error).__name__)
        return to_result(await self._client.post(asked.key, body), "perform")

    async def query(self, asked: Asked) -> Result:
        """What became of the operation with this key."""
        return to_result(await self._client.get(asked.key), "query")

    async def end(self, asked: Asked) -> Result:
        """Nobody is waited for."""
        return await self.query(asked)

    async def act(self, action: str, told_at: str, values: Mapping[str, str]) -> Acted:  # noqa: ARG002
        """Nothing."""
        raise Refused(action, failure="action_unknown")

    async def hear(self, callback: Callback) -> Heard | None:
        """It says all that it has to say in its answers."""
        raise NotBelieved(f"{callback.kind}: this gateway tells nothing")


def build(
    session: aiohttp.ClientSession,
    configuration: Mapping[str, str],
    _shelf: Shelf | None = None,
) -> Connector:
    """The connector for this configuration; ValueError when that is incomplete."""
    return Instant(Client(session, Config.read(configuration)))

"""KCB Buni: transfers pay out of an account at KCB, and money that comes to it is told.

An answer only says that a transfer was taken. How it ended is told later, at the tenant's own
address; it can neither be asked about here nor sent again.
"""

from collections.abc import Mapping

import aiohttp
import msgspec

from connectors.base import Acted, Ambiguous, Asked, Connector, Refused, Result
from connectors.buni import translate
from connectors.buni.client import TRANSFER, Client
from connectors.buni.config import Config
from connectors.buni.hearing import heard
from connectors.buni.translate import (
    Wish,
)
from connectors.buni.words import CURRENCY
from connectors.callbacks import Callback, Heard
from connectors.http import Answer
from connectors.reading import Unfit, Unreadable
from connectors.tokens import Shelf

TAKEN, NOT_TAKEN = "0", "1"
_NOT_HEARD: Mapping[int, str] = {
    400: "refused",
    403: "not_configured",
    404: "not_configured",
    415: "refused",
    422: "refused",
}
"""Statuses that say that a request was not begun, and a word for each; of others nobody knows."""
_read_wish = msgspec.json.Decoder(Wish).decode


class Buni:
    """One app and one account. Without a company code it only hears of money."""

    name = "buni"
    capabilities = frozenset({"payout"})
    actions: frozenset[str] = frozenset()
    doubted: frozenset[str] = frozenset()  # there is nobody to ask

    def __init__(self, client: Client, config: Config) -> None:
        self._client, self._config = client, config
        self.operations = self.capabilities if config.company_code else frozenset[str]()

    @property
    def public(self) -> Mapping[str, str]:
        """Where payers pay by hand."""
        return {"biller": self._config.biller, "account": self._config.account}

    @staticmethod
    def takes(asset: str) -> bool:
        """Kenyan shillings."""
        return asset == CURRENCY

    def key_lifetime_s(self, asked: Asked) -> float:  # noqa: ARG002
        """Never: whether KCB knows a transfer again by our reference is not documented."""
        return 0.0

    async def perform(self, asked: Asked) -> Result:
        """Ask for it; what cannot be asked fails here, unsent."""
        try:
            body = self._body(asked)
        except Unfit as error:
            return Result("failed", failure=error.reason)
        except (ValueError, LookupError) as error:
            return Result("failed", failure="bad_request", detail=type(error).__name__)
        return _taken(await self._client.post(TRANSFER, body))

    async def query(self, asked: Asked) -> Result:
        """Nobody can be asked; what is known of it was told."""
        return Result("unknown", detail="KCB tells how it ended", handle=asked.handle)

    async def end(self, asked: Asked) -> Result:
        """A transfer cannot be ended."""
        return await self.query(asked)

    async def act(self, action: str, told_at: str, values: Mapping[str, str]) -> Acted:  # noqa: ARG002
        """Nothing."""
        raise Refused(action, failure="action_unknown")

    async def hear(self, callback: Callback) -> Heard | None:
        """Money that came, by KCB's signature, or how a transfer ended."""
        return heard(self._config, callback)

    def _body(self, asked: Asked) -> Mapping[str, object]:
        if asked.operation not in self.operations:
            raise Unfit("capability_unsupported")
        return translate.transfer(self._config, _read_wish(asked.request), asked.key)


def _taken(answer: Answer) -> Result:
    """A transfer that was taken is pending. Raises `Refused` for one that was not, this time."""
    if answer.status in _NOT_HEARD:
        raise Refused(f"status {answer.status}", failure=_NOT_HEARD[answer.status])
    if answer.status not in {200, 201, 202}:
        raise Ambiguous(f"status {answer.status}")
    try:
        code, handle, words = translate.ack_of(answer.body)
    except Unreadable as error:
        raise Ambiguous("unreadable answer") from error
    if code == NOT_TAKEN:
        raise Refused(words)
    if code != TAKEN:
        raise Ambiguous(f"statusCode {code}: {words}"[:200])
    return Result("pending", handle=handle, detail=words)


def build(
    session: aiohttp.ClientSession, configuration: Mapping[str, str], shelf: Shelf | None = None
) -> Connector:
    """The connector for this configuration; ValueError when that is incomplete."""
    config = Config.read(configuration)
    return Buni(Client(session, config, shelf=shelf), config)

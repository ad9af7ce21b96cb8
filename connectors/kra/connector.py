"""KRA: eTIMS declares tax documents, GavaConnect checks and files. KRA calls nobody back.

eTIMS cannot be asked what became of a document. But a document has a number of its own in its
branch, and sent once more under that number it is the same document: 921 and 994 say that it is
recorded. So a question is a repeat, and a repeat is a question.
"""

from collections.abc import Mapping

import aiohttp

from connectors.base import Acted, Asked, Connector, Refused, Result
from connectors.callbacks import Callback, Heard
from connectors.kra import desk, translate
from connectors.kra.client import INIT, NOTICES, SALES, Etims, Gava
from connectors.kra.config import Config
from connectors.kra.words import (
    CURRENCY,
    branch_of,
    day_of,
)
from connectors.reading import Unfit
from connectors.tokens import Shelf

KEY_LIFETIME_S = 365 * 24 * 3600.0
"""A number is never given to another document; longer than any call is alive."""


class Kra:
    """One taxpayer. Without the key of a control unit nothing is declared."""

    name = "kra"
    capabilities = frozenset({"declare"})
    doubted: frozenset[str] = frozenset()
    public: Mapping[str, str] = {}

    def __init__(self, etims: Etims, gava: Gava, config: Config) -> None:
        self._etims, self._gava, self._config = etims, gava, config
        self.operations = self.capabilities if config.declares else frozenset[str]()
        units = {"device"} if config.device_serials else set()
        notices = {"notices"} if config.branch in config.cmc_keys else set()
        self.actions = frozenset(units | notices | set(config.apps))

    @staticmethod
    def takes(asset: str) -> bool:
        """Kenyan shillings: tax documents are in no other currency here."""
        return asset == CURRENCY

    def key_lifetime_s(self, asked: Asked) -> float:  # noqa: ARG002
        """A number in a branch is one document for ever."""
        return KEY_LIFETIME_S

    async def perform(self, asked: Asked) -> Result:
        """Declare it; what cannot be declared fails here, unsent."""
        try:
            document = translate.read_document(asked.request)
            branch = translate.branch_in(self._config, document)
            body = translate.declaration(self._config, document)
        except Unfit as error:
            return Result("failed", failure=error.reason)
        except ValueError as error:
            return Result("failed", failure="bad_request", detail=type(error).__name__)
        answer = await self._etims.post(SALES, branch, body)
        return translate.result_of(self._config, document, answer)

    async def query(self, asked: Asked) -> Result:
        """Declare it again, which is the same document: what was lost is recorded by that."""
        return await self.perform(asked)

    async def end(self, asked: Asked) -> Result:
        """A document has no payer who lets the time pass."""
        return await self.query(asked)

    async def act(self, action: str, told_at: str, values: Mapping[str, str]) -> Acted:  # noqa: ARG002
        """What people ask of KRA (desk.py), and the key of a control unit, which eTIMS gives once
        and never again.
        """
        if action not in self.actions:
            raise Refused(action, failure="action_unknown")
        try:
            match action:
                case "device":
                    return await self._device(branch_of(values.get("branch") or self._branch))
                case "notices":
                    return await self._notices(values)
            task = desk.TASKS[action]
            body = task.body(values)
        except Unfit as error:
            raise Refused(action, failure=error.reason) from None
        return Acted(desk.said_of(action, await self._gava.post(action, task.path, body)))

    async def _device(self, branch: str) -> Acted:
        body = translate.device(self._config, branch)
        answer = await self._etims.post(INIT, branch, body)
        said = translate.device_of(self._config, branch, answer)
        key = said.pop("cmc_key")
        return Acted(said, sealed={"cmc_key": key})

    async def _notices(self, values: Mapping[str, str]) -> Acted:
        since = day_of(values.get("since", ""))
        body = {"lastReqDt": f"{since:%Y%m%d}000000"}
        answer = await self._etims.post(NOTICES, self._branch, body)
        return Acted({"notices": translate.notices_of(answer)})

    @property
    def _branch(self) -> str:
        return self._config.branch

    async def hear(self, callback: Callback) -> Heard | None:  # noqa: ARG002
        """KRA calls nobody back."""
        return None


def build(
    session: aiohttp.ClientSession, configuration: Mapping[str, str], shelf: Shelf | None = None
) -> Connector:
    """The connector for this configuration; ValueError when that is incomplete."""
    config = Config.read(configuration)
    return Kra(Etims(session, config), Gava(session, config, shelf=shelf), config)

"""Requests to eTIMS and GavaConnect: addresses, headers, tokens. Knows nothing of taxes.

eTIMS knows a control unit by three headers; some of its gateways read the body alone, so that they
are there as well (OSCU specification). GavaConnect has credentials and tokens for each product of
its portal (GavaConnect documentation, "Authorization").
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import aiohttp
import msgspec

from connectors.base import Refused, TurnedAway
from connectors.http import Answer, exchange
from connectors.kra.config import App, Config
from connectors.tokens import Fetch, Shelf, Tokens, basic

INIT, SALES, NOTICES = "/selectInitOsdcInfo", "/saveTrnsSalesOsdc", "/selectNoticeList"
_JSON = {"Content-Type": "application/json"}


class Etims:
    """Speaks to eTIMS for the control units of one taxpayer."""

    def __init__(self, session: aiohttp.ClientSession, config: Config) -> None:
        self._session, self._config = session, config

    async def post(self, path: str, branch: str, body: Mapping[str, Any]) -> Answer:
        """POST as JSON for a branch, under the key of its control unit but where one is asked for.

        Raises `NotSent` when nothing can have been done, `Ambiguous` when it may have been, and
        `TurnedAway` when there are too many requests.
        """
        config = self._config
        unit = {"tin": config.tin, "bhfId": branch}
        if path != INIT:
            unit["cmcKey"] = config.cmc_keys[branch]
        answer = await exchange(
            self._session,
            "POST",
            f"{config.base_url}{path}",
            body=msgspec.json.encode({**unit, **body}),
            headers={**unit, **_JSON},
        )
        return _heard(answer)


class Gava:
    """Speaks to GavaConnect; products that share an app share its token."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        config: Config,
        *,
        shelf: Shelf | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session, self._config = session, config
        self._tokens = {
            app: Tokens(self._fetch_for(app), shelf=shelf, name=name, monotonic_s=monotonic_s)
            for app, name in ((app, _name_of(config, app)) for app in set(config.apps.values()))
        }

    async def post(self, product: str, path: str, body: Mapping[str, Any]) -> Answer:
        """POST as JSON with the token of a product.

        Raises as `Etims.post`, and `Refused` when the product's credentials are not taken.
        """
        tokens = self._tokens[self._config.apps[product]]
        try:
            answer = await tokens.carry(partial(self._exchange, path, body))
        except Refused as error:
            raise Refused(f"{product}: {error.reason}", failure="not_configured") from None
        if answer.status == 403:
            raise Refused(f"{product}: status {answer.status}", failure="not_configured")
        return _heard(answer)

    async def _exchange(
        self, path: str, body: Mapping[str, Any], bearer: Mapping[str, str]
    ) -> Answer:
        return await exchange(
            self._session,
            "POST",
            f"{self._config.gava_url}{path}",
            body=msgspec.json.encode(body),
            headers={**bearer, **_JSON},
        )

    def _fetch_for(self, app: App) -> Fetch:
        """What asks for a token of this app."""
        config = self._config
        url = f"{config.gava_url}{config.token_path}?grant_type=client_credentials"

        async def fetch() -> Answer:
            headers = basic(app.key, app.secret)
            return await exchange(self._session, "GET", url, headers=headers)

        return fetch


def _name_of(config: Config, app: App) -> str:
    """A name of an app's tokens on the shelf: tells one app from another and nothing more."""
    said = f"{config.gava_url}\n{app.key}".encode()
    return f"kra.{hashlib.sha256(said).hexdigest()[:32]}"


def _heard(answer: Answer) -> Answer:
    if answer.status == 429:
        raise TurnedAway("status 429", retry_after_s=answer.retry_after_s)
    return answer

"""PayPal's requests: tokens, request ids, paths. Knows nothing of what answers mean for money.

Without a PayPal-Request-Id PayPal does a repeat again; with one it answers as the first time, for
orders six hours and for payments 45 days (PayPal documentation, "API requests", "Idempotency").
"""

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from connectors.base import TurnedAway
from connectors.http import Answer, exchange
from connectors.paypal.config import Config
from connectors.tokens import Tokens, basic

ORDERS, CAPTURES = "/v2/checkout/orders", "/v2/payments/captures"
REFUNDS = "/v2/payments/refunds"
PAYOUTS = "/v1/payments/payouts"
_TOKEN = "/v1/oauth2/token"  # noqa: S105  an address


class Client:
    """Speaks to PayPal for one app."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        config: Config,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session, self._config = session, config
        self._tokens = Tokens(self._fetch, monotonic_s=monotonic_s)

    async def post(self, path: str, body: Mapping[str, Any], key: str) -> Answer:
        """POST as JSON under a request id. Raises any `CallError`."""
        headers = {
            "Content-Type": "application/json",
            "PayPal-Request-Id": key,
            "Prefer": "return=representation",
        }
        return await self._asked("POST", path, headers, msgspec.json.encode(body))

    async def get(self, path: str, object_id: str) -> Answer:
        """GET an object. Raises as `post`."""
        return await self._asked("GET", f"{path}/{quote(object_id, safe='')}", {}, None)

    async def _asked(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        answer = await self._tokens.carry(
            lambda bearer: self._exchange(method, path, {**headers, **bearer}, body)
        )
        if answer.status == 429:
            raise TurnedAway("status 429", retry_after_s=answer.retry_after_s)
        return answer

    async def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        url = f"{self._config.base_url}{path}"
        return await exchange(self._session, method, url, body=body, headers=headers)

    async def _fetch(self) -> Answer:
        """The answer to a request for a token."""
        config = self._config
        headers = {
            **basic(config.client_id, config.client_secret),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return await exchange(
            self._session,
            "POST",
            f"{config.base_url}{_TOKEN}",
            body=b"grant_type=client_credentials",
            headers=headers,
        )


def action(path: str, object_id: str, verb: str) -> str:
    """The path of a verb on an object: capture, refund, cancel."""
    return f"{path}/{quote(object_id, safe='')}/{verb}"

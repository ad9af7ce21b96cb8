"""Stripe's requests: forms, keys, versions. Knows nothing of what answers mean for money.

A POST that moves money bears an idempotency key, so that a repeat is the same request for a day;
what was refused before it was begun may be repeated too (Stripe documentation, "Idempotent
requests", "Error handling", "Versioning").
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

from connectors.base import Ambiguous, TurnedAway
from connectors.http import Answer, exchange
from connectors.stripe.config import Config
from connectors.stripe.form import encoded

VERSION = "2026-10-28.endive"
KEY_LIFETIME_S = 24 * 3600.0
PAGE = 100
"""Objects of a list that are looked through: the newest."""
INTENTS, REFUNDS, PAYOUTS = "/v1/payment_intents", "/v1/refunds", "/v1/payouts"
BALANCE_TRANSACTIONS = "/v1/balance_transactions"


class Client:
    """Speaks to Stripe for one account."""

    def __init__(self, session: aiohttp.ClientSession, config: Config) -> None:
        self._session, self._config = session, config

    async def post(self, path: str, members: Mapping[str, Any], key: str = "") -> Answer:
        """POST a form, under an idempotency key if there is one.

        Raises `NotSent`, `Ambiguous` or `TurnedAway`.
        """
        headers = {
            **self._headers(),
            "Content-Type": "application/x-www-form-urlencoded",
            **({"Idempotency-Key": key} if key else {}),
        }
        url = f"{self._config.base_url}{path}"
        body = encoded(members)
        return _heard(await exchange(self._session, "POST", url, body=body, headers=headers))

    async def get(self, path: str, object_id: str) -> Answer:
        """GET an object. Raises as `post`."""
        return await self._got(f"{path}/{quote(object_id, safe='')}")

    async def list(self, path: str, **conditions: str) -> Answer:
        """GET the newest objects that meet conditions. Raises as `post`."""
        return await self._got(f"{path}?{urlencode({**conditions, 'limit': PAGE})}")

    async def _got(self, path: str) -> Answer:
        url = f"{self._config.base_url}{path}"
        return _heard(await exchange(self._session, "GET", url, headers=self._headers()))

    def _headers(self) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {self._config.secret_key}",
            "Stripe-Version": VERSION,
        }
        if self._config.account:
            headers["Stripe-Account"] = self._config.account
        return headers


def _heard(answer: Answer) -> Answer:
    """The answer, unless another request under this key is at work, or there are too many."""
    if answer.status == 409:
        raise Ambiguous("status 409")
    if answer.status == 429:
        raise TurnedAway("status 429", retry_after_s=answer.retry_after_s)
    return answer


def action(path: str, object_id: str, verb: str) -> str:
    """The path of a verb on an object: confirm, capture, cancel."""
    return f"{path}/{quote(object_id, safe='')}/{verb}"

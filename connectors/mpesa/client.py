"""Daraja's requests: addresses, tokens and headers. Knows nothing of what answers mean for money.

A new token ends the one before it, so there is one for all requests of all processes (Daraja
documentation, "Authorization").
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import aiohttp
import msgspec

from connectors.http import Answer, exchange
from connectors.mpesa.codes import refusal_of
from connectors.mpesa.config import Config
from connectors.mpesa.translate import error_of
from connectors.tokens import Shelf, Tokens, basic

STK_PUSH, STK_QUERY = "/mpesa/stkpush/v1/processrequest", "/mpesa/stkpushquery/v1/query"
B2C = {version: f"/mpesa/b2c/{version}/paymentrequest" for version in ("v3", "v1")}
B2B, STATUS = "/mpesa/b2b/v1/paymentrequest", "/mpesa/transactionstatus/v1/query"
C2B_REGISTER, C2B_SIMULATE = "/mpesa/c2b/v2/registerurl", "/mpesa/c2b/v2/simulate"
REVERSAL, BALANCE = "/mpesa/reversal/v1/request", "/mpesa/accountbalance/v1/query"
PULL_REGISTER, PULL_QUERY = "/pulltransactions/v1/register", "/pulltransactions/v1/query"
_TOKEN = "/oauth/v1/generate?grant_type=client_credentials"  # noqa: S105  an address


class Client:
    """Speaks to Daraja for one app."""

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
        name = f"mpesa.{hashlib.sha256(app).hexdigest()[:32]}"
        self._tokens = Tokens(self._fetch, shelf=shelf, name=name, monotonic_s=monotonic_s)

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """POST as JSON; an answer below 500, or a server error that says what it means.

        Raises `NotSent` when nothing can have been done, `Ambiguous` when it may have been, and
        `Refused` when no token is to be had.
        """
        send = partial(self._exchange, path, body)
        return await self._tokens.carry(send, is_refused=_refuses_token)

    async def _exchange(
        self, path: str, body: Mapping[str, Any], bearer: Mapping[str, str]
    ) -> Answer:
        headers = {**bearer, "Content-Type": "application/json"}
        return await exchange(
            self._session,
            "POST",
            f"{self._config.base_url}{path}",
            body=msgspec.json.encode(body),
            headers=headers,
            speaks=_speaks,
        )

    async def _fetch(self) -> Answer:
        """The answer to a request for a token."""
        config = self._config
        headers = basic(config.consumer_key, config.consumer_secret)
        return await exchange(self._session, "GET", f"{config.base_url}{_TOKEN}", headers=headers)


def _refuses_token(answer: Answer) -> bool:
    return refusal_of(answer.status, *error_of(answer.body)) == "token"


def _speaks(answer: Answer) -> bool:
    """Whether a server error is Daraja's own word (codes.py), and no fault on the way."""
    return bool(error_of(answer.body)[0])

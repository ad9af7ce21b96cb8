"""Daraja's requests: addresses, tokens and headers. Knows nothing of what answers mean for money.

A new token ends the one before it, so there is one for all requests of a process, fetched by one
of them and renewed a minute early; one that is refused is renewed once (Daraja documentation,
"Authorization").
"""

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import msgspec

from connectors.base import Ambiguous, NotSent, Refused
from connectors.http import Answer, exchange
from connectors.mpesa.codes import refusal_of
from connectors.mpesa.config import Config
from connectors.mpesa.translate import error_of
from streams.money import plain

RENEW_BEFORE_S = 60
STK_PUSH, STK_QUERY = "/mpesa/stkpush/v1/processrequest", "/mpesa/stkpushquery/v1/query"
B2C, STATUS = "/mpesa/b2c/v3/paymentrequest", "/mpesa/transactionstatus/v1/query"
C2B_REGISTER, C2B_SIMULATE = "/mpesa/c2b/v2/registerurl", "/mpesa/c2b/v2/simulate"
REVERSAL, BALANCE = "/mpesa/reversal/v1/request", "/mpesa/accountbalance/v1/query"
_TOKEN = "/oauth/v1/generate?grant_type=client_credentials"  # noqa: S105  an address


class Client:
    """Speaks to Daraja for one app."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        config: Config,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session, self._config, self._monotonic_s = session, config, monotonic_s
        self._token, self._count, self._good_until_s = "", 0, 0.0
        self._fetching = asyncio.Lock()

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """POST as JSON; an answer below 500, or a server error that says what it means.

        Raises `NotSent` when nothing can have been done, `Ambiguous` when it may have been, and
        `Refused` when no token is to be had.
        """
        token, count = await self._bearer()
        answer = await self._exchange(path, body, token)
        if self._is_stale(answer):
            token, _ = await self._bearer(after=count)
            answer = await self._exchange(path, body, token)
            if self._is_stale(answer):
                raise Refused("the app's token is refused here")
        return answer

    async def _exchange(self, path: str, body: Mapping[str, Any], token: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return await exchange(
            self._session,
            "POST",
            f"{self._config.base_url}{path}",
            body=msgspec.json.encode(body),
            headers=headers,
            speaks=_speaks,
        )

    @staticmethod
    def _is_stale(answer: Answer) -> bool:
        return refusal_of(answer.status, *error_of(answer.body)) == "token"

    # -- tokens -------------------------------------------------------------------------------

    async def _bearer(self, *, after: int = 0) -> tuple[str, int]:
        """A token and its number, which is beyond `after`; many at once make one request."""
        async with self._fetching:
            began_s = self._monotonic_s()
            if self._count <= after or began_s >= self._good_until_s:
                self._token, lives_s = await self._fetch()
                self._good_until_s = began_s + max(lives_s - RENEW_BEFORE_S, 0)
                self._count += 1
            return self._token, self._count

    async def _fetch(self) -> tuple[str, int]:
        """(token, seconds that it is good). Nothing of a payment is sent by it."""
        config = self._config
        given = f"{config.consumer_key}:{config.consumer_secret}".encode()
        basic = f"Basic {base64.b64encode(given).decode()}"
        try:
            answer = await exchange(
                self._session,
                "GET",
                f"{config.base_url}{_TOKEN}",
                headers={"Authorization": basic},
            )
        except Ambiguous as error:
            raise NotSent(f"no token: {error.reason}") from error
        if answer.status == 429:
            raise NotSent("no token: throttled")
        if answer.status != 200:
            raise Refused(f"no token: status {answer.status}")
        return _token_of(answer.body)


def _speaks(answer: Answer) -> bool:
    """Whether a server error is Daraja's own word (codes.py), and no fault on the way."""
    return bool(error_of(answer.body)[0])


def _token_of(body: bytes) -> tuple[str, int]:
    """The token and its life, which comes as text or as a number. Raises `NotSent`."""
    try:
        said = plain(body)
        token, lives = said["access_token"], int(said["expires_in"])
    except (ValueError, LookupError, TypeError) as error:
        raise NotSent("no token: unreadable") from error
    if not isinstance(token, str) or not token or not token.isprintable():
        raise NotSent("no token: unreadable")
    return token, lives

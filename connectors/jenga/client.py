"""Jenga's requests: addresses, tokens and signatures. Knows nothing of what answers mean for money.

Every request bears a token of the merchant and a signature of some of its fields (Jenga
documentation, "Authentication", "Generate signature").
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from functools import partial

import aiohttp
import msgspec

from connectors.base import TurnedAway
from connectors.http import Answer, exchange
from connectors.jenga.config import Config
from connectors.jenga.signature import signed
from connectors.jenga.translate import Question, token_of
from connectors.reading import Unreadable
from connectors.tokens import Shelf, Tokens
from streams.money import ENCODER

_TOKEN = "/authentication/api/v3/authenticate/merchant"  # noqa: S105  an address


class Client:
    """Speaks to Jenga for one merchant."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        config: Config,
        *,
        shelf: Shelf | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session, self._config = session, config
        merchant = f"{config.base_url}\n{config.merchant_code}\n{config.api_key}".encode()
        name = f"jenga.{hashlib.sha256(merchant).hexdigest()[:32]}"
        self._tokens = Tokens(self._fetch, shelf=shelf, name=name, monotonic_s=monotonic_s)

    async def ask(self, question: Question) -> Answer:
        """POST what has a body, GET what has none; an answer below 500.

        Raises `NotSent`, `Ambiguous` or `TurnedAway`, and `Refused` when no token is to be had.
        """
        answer = await self._tokens.carry(partial(self._exchange, question))
        if answer.status == 429:
            raise TurnedAway("status 429", retry_after_s=answer.retry_after_s)
        return answer

    async def _exchange(self, question: Question, bearer: Mapping[str, str]) -> Answer:
        headers = {**bearer, "signature": signed(self._config.key, question.signed)}
        url = f"{self._config.base_url}{question.path}"
        if question.body is None:
            return await exchange(self._session, "GET", url, headers=headers)
        headers["Content-Type"] = "application/json"
        body = ENCODER.encode(question.body)
        return await exchange(self._session, "POST", url, body=body, headers=headers)

    async def _fetch(self) -> Answer:
        """The answer to a request for a token, in the words of RFC 6749."""
        config = self._config
        wanted = {"merchantCode": config.merchant_code, "consumerSecret": config.consumer_secret}
        answer = await exchange(
            self._session,
            "POST",
            f"{config.base_url}{_TOKEN}",
            body=msgspec.json.encode(wanted),
            headers={"Api-Key": config.api_key, "Content-Type": "application/json"},
        )
        try:
            token, lives_s = token_of(answer.body)
        except Unreadable:
            return answer  # who reads it next will say so
        standard = {"access_token": token, "expires_in": lives_s}
        return Answer(answer.status, msgspec.json.encode(standard), answer.retry_after_s)

"""Bearer tokens of providers (RFC 6749, client credentials): one for all requests of an app.

Fetched by one of them while the others wait, renewed a minute before its end, and once more when
it is refused before that. Where a new token ends the one before it, all processes share a shelf.
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from connectors.base import Ambiguous, NotSent, Refused
from connectors.http import Answer
from streams.money import plain

RENEW_BEFORE_S = 60
Fetch = Callable[[], Awaitable[Answer]]


Asking = Callable[[], Awaitable[tuple[str, int]]]


class Shelf(Protocol):
    """Where the processes of an installation share tokens."""

    async def take(self, name: str, refused: str, ask: Asking) -> tuple[str, float]:
        """The token of an app that is good and is not `refused`, and how long it is good for (s).

        If there is none, `ask` gives one to all, once. Raises what `ask` raises, or `NotSent`.
        """


class Tokens:
    """The tokens of one app; `fetch` asks its provider for another.

    On a `shelf` they lie under `name`, which tells one app from another and nothing more.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        shelf: Shelf | None = None,
        name: str = "",
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch, self._monotonic_s = fetch, monotonic_s
        self._shelf, self._name = shelf, name
        self._token, self._count, self._good_until_s = "", 0, 0.0
        self._fetching = asyncio.Lock()

    async def carry(
        self,
        send: Callable[[Mapping[str, str]], Awaitable[Answer]],
        *,
        is_refused: Callable[[Answer], bool] = lambda answer: answer.status == 401,
    ) -> Answer:
        """The answer to a request that `send` makes with the header it is given.

        One whose token is refused was not begun, and is sent once more with another. Raises
        `NotSent` while no token is to be had, `Refused` when our credentials are not taken, or
        their token is not, and whatever `send` raises.
        """
        token, count = await self.bearer()
        answer = await send(bearing(token))
        if is_refused(answer):
            token, _ = await self.bearer(after=count)
            answer = await send(bearing(token))
        if is_refused(answer):
            raise Refused("our token is refused here", failure="not_configured")
        return answer

    async def bearer(self, *, after: int = 0) -> tuple[str, int]:
        """A token and its number, which is beyond `after`: the one that was refused.

        Raises `NotSent` while none is to be had, `Refused` when our credentials are not taken:
        either way nothing of a payment was sent.
        """
        async with self._fetching:
            began_s = self._monotonic_s()
            if self._count <= after or began_s >= self._good_until_s:
                refused = self._token if self._count == after else ""
                self._token, good_for_s = await self._another(refused)
                self._good_until_s = began_s + good_for_s
                self._count += 1
            return self._token, self._count

    async def _another(self, refused: str) -> tuple[str, float]:
        if self._shelf is not None:
            return await self._shelf.take(self._name, refused, self._asked)
        token, lives_s = await self._asked()
        return token, good_for_s(lives_s)

    async def _asked(self) -> tuple[str, int]:
        try:
            answer = await self._fetch()
        except Ambiguous as error:
            raise NotSent(f"no token: {error.reason}") from error
        if answer.status == 429:
            raise NotSent("no token: throttled", retry_after_s=answer.retry_after_s)
        if answer.status != 200:
            raise Refused(f"no token: status {answer.status}", failure="not_configured")
        return _read(answer.body)


def _read(body: bytes) -> tuple[str, int]:
    """The token and its life in seconds, which comes as text or as a number."""
    try:
        said = plain(body)
        token, lives_s = said["access_token"], int(said["expires_in"])
    except (ValueError, LookupError, TypeError) as error:
        raise NotSent("no token: unreadable") from error
    if not isinstance(token, str) or not token or not token.isprintable():
        raise NotSent("no token: unreadable")
    return token, lives_s


def good_for_s(lives_s: int) -> float:
    """How long a token of this life is used, in seconds."""
    return max(lives_s - RENEW_BEFORE_S, 0)


def bearing(token: str) -> dict[str, str]:
    """The header that bears a token (RFC 6750)."""
    return {"Authorization": f"Bearer {token}"}


def basic(user: str, password: str) -> dict[str, str]:
    """The header that bears an app's own credentials (RFC 7617)."""
    given = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {given}"}

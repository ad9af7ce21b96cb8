"""Where a token issuer has its keys, by its own word (OpenID Connect Discovery 1.0, section 4).

The issuer must name itself exactly as it is named here, and an address of its keys that is safe.
What it said last is good until it is too old, should it fail to say so again. Whoever asks does so
one at a time and not too often (web/jwks.py).
"""

import asyncio
import math
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog

from connectors.http import is_near
from streams.errors import Misconfigured
from streams.money import plain
from web.fetching import FAILURES, download, is_safe

WELL_KNOWN = "/.well-known/openid-configuration"

_log = structlog.get_logger("web.discovery")


class Discovery:
    """The address of one issuer's keys."""

    def __init__(
        self,
        issuer: str,
        *,
        refresh_s: float = 3_600,
        max_age_s: float = 24 * 3_600,
        timeout_s: float = 2,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises `Misconfigured` for an issuer whose word could be anybody's."""
        if not is_safe(issuer) or set(issuer) & set("?#"):
            raise Misconfigured("the token issuer must be an https address, or on this machine")
        self._issuer = issuer
        self._refresh_s, self._max_age_s, self._timeout_s = refresh_s, max_age_s, timeout_s
        self._monotonic_s = monotonic_s
        self._address = ""
        self._said_s = -math.inf
        self._doubted = False

    async def find(self) -> str:
        """The address, asked for where it is not known, not fresh, or doubted.

        Raises one of `FAILURES` when no word of the issuer is young enough.
        """
        now_s = self._monotonic_s()
        age_s = now_s - self._said_s
        if age_s <= self._refresh_s and not self._doubted:
            return self._address
        try:
            # Of its own, and short: an issuer that is slow to say it again still has its keys.
            async with asyncio.timeout(self._timeout_s):
                body = await download(self._issuer.removesuffix("/") + WELL_KNOWN)
            address = keys_address_of(body, self._issuer)
        except FAILURES as error:
            _log.warning("issuer not discovered", error=type(error).__name__, reason=str(error))
            if age_s > self._max_age_s:
                raise
            return self._address
        self._address, self._said_s, self._doubted = address, now_s, False
        return address

    def doubt(self) -> None:
        """No keys were to be had there: ask the issuer next time."""
        self._doubted = True


def keys_address_of(body: bytes, issuer: str) -> str:
    """The address in a discovery document. Raises ValueError, or RecursionError.

    Only an issuer on this machine may have its keys there over http.
    """
    document = plain(body)
    if not isinstance(document, dict):
        raise ValueError("no discovery document")  # noqa: TRY004
    if document.get("issuer") != issuer:
        raise ValueError("the document is another issuer's")
    address = document.get("jwks_uri")
    if not isinstance(address, str) or not is_safe(address, near=is_near(_host(issuer))):
        raise ValueError("no safe address of keys")
    return address


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""

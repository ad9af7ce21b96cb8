"""Public keys of the token issuer: a cache of its JWKS that nobody's tokens can make it hammer.

A fetched set replaces the old one whole. When the issuer fails, the last good set serves until
it is too old; then nothing is verified any more.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import PyJWTError

from streams.errors import Misconfigured, Unavailable
from streams.money import plain
from web.fetching import FAILURES, download, is_safe

KeySet = Mapping[str, RSAPublicKey]

MAX_KEYS = 100
KEY_BITS = (2048, 8192)

_log = structlog.get_logger("web.jwks")


def read_key_set(body: bytes) -> KeySet:
    """RSA signing keys by `kid` (RFC 7517). Raises ValueError when the set is no good.

    Keys of another type, use or algorithm are left out; a key without `kid`, too. Two keys under
    one `kid`, or no key at all, spoil the set.
    """
    document = plain(body)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError("not a key set")
    keys: dict[str, RSAPublicKey] = {}
    for jwk in listed:
        key = _read_key(jwk)
        if key is None:
            continue
        if jwk["kid"] in keys:
            raise ValueError("two keys under one kid")
        keys[jwk["kid"]] = key
    if not keys:
        raise ValueError("no key that signs RS256")
    return keys


def _read_key(jwk: Any) -> RSAPublicKey | None:
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str) or not jwk["kid"]:
        return None
    if jwk.get("kty") != "RSA" or jwk.get("use", "sig") != "sig":
        return None
    if jwk.get("alg", "RS256") != "RS256":
        return None
    try:
        key = RSAAlgorithm.from_jwk(jwk)
    except (PyJWTError, ValueError, TypeError) as error:
        raise ValueError("a key cannot be read") from error
    if not isinstance(key, RSAPublicKey):
        raise ValueError("a private key is no business of a key set")  # noqa: TRY004
    return key if KEY_BITS[0] <= key.key_size <= KEY_BITS[1] else None


class FixedKeys:
    """Keys that do not change while the process runs."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    async def find(self, kid: str) -> RSAPublicKey | None:
        """The key of this id."""
        return self._keys.get(kid)

    async def find_newer(self, kid: str, than: RSAPublicKey) -> RSAPublicKey | None:
        """None: there is no newer one."""


class Place(Protocol):
    """Where a key set is fetched from (web/discovery.py, or one address for good)."""

    async def find(self) -> str:
        """The address now. Raises one of `FAILURES` while there is none."""

    def doubt(self) -> None:
        """No keys were to be had there."""


class Pinned:
    """One address, over TLS or on this machine."""

    def __init__(self, url: str) -> None:
        """Raises `Misconfigured` for an address that is not safe."""
        if not is_safe(url):
            raise Misconfigured("the key set's URL must be https, or http on this machine")
        self._url = url

    async def find(self) -> str:
        """The address."""
        return self._url

    def doubt(self) -> None:
        """There is no other one."""


class RemoteKeys:
    """Keys fetched from where the issuer has them: an address, or a place that finds it.

    `timeout_s` is for a fetch and all that it takes to find the address.
    """

    def __init__(
        self,
        place: str | Place,
        *,
        refresh_s: float = 300,
        max_age_s: float = 3600,
        cooldown_s: float = 30,
        first_cooldown_s: float = 3,
        timeout_s: float = 5,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place = Pinned(place) if isinstance(place, str) else place
        self._refresh_s = refresh_s
        self._max_age_s = max_age_s
        self._cooldown_s = cooldown_s
        self._first_cooldown_s = first_cooldown_s
        self._timeout_s = timeout_s
        self._monotonic_s = monotonic_s
        self._keys: KeySet = {}
        self._fetched_s = -math.inf
        self._tried_s = -math.inf
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> RSAPublicKey | None:
        """The key of this id. Raises `Unavailable` when no set is young enough to be trusted."""
        age_s = self._monotonic_s() - self._fetched_s
        if age_s > self._max_age_s or kid not in self._keys:
            await self._refreshed()
        elif age_s > self._refresh_s:
            self._begin()  # the set in hand still serves; nobody waits
        if self._monotonic_s() - self._fetched_s > self._max_age_s:
            raise Unavailable("the token issuer's keys cannot be had")
        return self._keys.get(kid)

    async def find_newer(self, kid: str, than: RSAPublicKey) -> RSAPublicKey | None:
        """The key of this id if the issuer has replaced `than`: same kid, other key material."""
        await self._refreshed()
        key = self._keys.get(kid)
        return None if key is None or key == than else key

    async def close(self) -> None:
        """End a fetch under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _refreshed(self) -> None:
        """Wait for the one fetch under way or allowed now; return at once if there is none."""
        fetching = self._begin()
        if fetching is not None:
            await asyncio.shield(fetching)

    def _begin(self) -> asyncio.Task[None] | None:
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        now_s = self._monotonic_s()
        cooldown_s = self._cooldown_s if self._keys else self._first_cooldown_s
        if now_s - self._tried_s < cooldown_s:
            return None
        self._tried_s = now_s
        self._fetching = asyncio.create_task(self._fetch(now_s))
        return self._fetching

    async def _fetch(self, began_s: float) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                self._keys = read_key_set(await download(await self._place.find()))
        except FAILURES as error:
            # The old set stays: an issuer in trouble must not lock everybody out at once.
            _log.warning("no new key set", error=type(error).__name__, held=len(self._keys))
            self._place.doubt()
            return
        self._fetched_s = began_s

"""Keys of services: `trs_live_` or `trs_test_`, key id, tenant, secret. Stored as hashes.

The tenant stands in the key because the database finds nothing without one. The secret has 256
random bits, so a plain SHA-256 of it is as good as a slow hash (OWASP, high-entropy secrets).
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import asyncpg

from streams.ids import valid_id
from tables.postgres.api_keys import find_hashes
from tables.postgres.pool import tenant_transaction
from web.claims import Claims
from web.problems import Problem, unavailable

Mode = Literal["live", "test"]
KEY_ID_BYTES, SECRET_BYTES = 8, 32
KNOWN_FOR_S = 5.0
"""How long a verified key is believed without looking; so long a revoked one may still work."""
KNOWN_MAX = 10_000
AWAY = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_read = re.compile(
    r"trs_(live|test)_([0-9a-f]{16})\.([A-Za-z0-9_-]{2,172})\.([A-Za-z0-9_-]{43})"
).fullmatch


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key's parts."""

    mode: Mode
    key_id: str
    tenant_id: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls, tenant_id: str, mode: Mode, key_id: str = "") -> "ApiKey":
        """A key with a fresh secret, under a new id or this one."""
        return cls(
            mode, key_id or secrets.token_hex(KEY_ID_BYTES), tenant_id, secrets.token_urlsafe(32)
        )

    @classmethod
    def read(cls, text: str) -> "ApiKey | None":
        """The parts of a text that is a key."""
        found = _read(text)
        if found is None:
            return None
        mode, key_id, tenant, secret = found.groups()
        try:
            tenant_id = base64.urlsafe_b64decode(tenant + "=" * (-len(tenant) % 4)).decode()
        except ValueError:
            return None
        return cls("live" if mode == "live" else "test", key_id, tenant_id, secret)

    @property
    def text(self) -> str:
        """The key as its holder sends it."""
        tenant = base64.urlsafe_b64encode(self.tenant_id.encode()).rstrip(b"=").decode()
        return f"trs_{self.mode}_{self.key_id}.{tenant}.{self.secret}"

    @property
    def secret_hash(self) -> bytes:
        """SHA-256 of the secret: what is stored."""
        return hashlib.sha256(self.secret.encode()).digest()


def is_api_key(token: str) -> bool:
    """Whether a bearer token wants to be an API key."""
    return token.startswith("trs_")


class ApiKeys:
    """Verifies keys; `pool` logs in as treasury_app."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        mode: Literal["any", "live", "test"] = "any",
        known_for_s: float = KNOWN_FOR_S,
        monotonic_s: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool, self._mode = pool, mode
        self._known_for_s, self._monotonic_s, self._now = known_for_s, monotonic_s, now
        self._known: dict[bytes, tuple[float, Claims]] = {}

    async def verify(self, token: str) -> Claims:
        """What a good key may do. Raises `Problem`: 401, or 503 while keys cannot be looked up."""
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None and known[0] > self._monotonic_s():
            return known[1]
        key = ApiKey.read(token)
        if key is None or not valid_id(key.tenant_id):
            raise refused()
        if self._mode not in {"any", key.mode}:
            raise Problem(
                401, "wrong-mode", f"This host takes {self._mode} keys only.", headers=_CHALLENGE
            )
        claims = await self._checked(key)
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[digest] = self._monotonic_s() + self._known_for_s, claims
        return claims

    async def _checked(self, key: ApiKey) -> Claims:
        try:
            async with tenant_transaction(self._pool, key.tenant_id, readonly=True) as connection:
                row = await find_hashes(connection, key.tenant_id, key.key_id)
        except (*AWAY, asyncpg.PostgresError) as error:
            raise unavailable("keys-unavailable", "Keys cannot be verified now.") from error
        if row is None or row["mode"] != key.mode or not self._is_good(row, key.secret_hash):
            raise refused()
        return Claims(f"key:{key.key_id}", key.tenant_id, frozenset(row["scopes"]))

    def _is_good(self, row: asyncpg.Record, given: bytes) -> bool:
        now = self._now()
        if row["revoked_at"] is not None or (row["expires_at"] or now) < now:
            return False
        is_current = hmac.compare_digest(given, row["secret_hash"])
        is_previous = hmac.compare_digest(given, row["previous_hash"] or b"")
        return is_current or (is_previous and now < row["previous_until"])


_CHALLENGE = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


def refused() -> Problem:
    """401, the same for a key that never was, one of another secret, and one that has ended."""
    return Problem(401, "invalid-token", "The API key is not valid here.", headers=_CHALLENGE)

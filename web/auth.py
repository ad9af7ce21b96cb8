"""Who calls: RS256 access tokens of one issuer, checked against its keys (RFC 7519, 8725, 9068).

The tenant is what the token says, a string; a path that names another one is refused here, before
anything is looked up, so that existing and unknown tenants answer alike.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from streams.errors import Unavailable
from streams.ids import valid_id
from web.claims import Claims
from web.problems import Problem, unavailable

MAX_TOKEN_CHARS = 8_192
NAME_CHARS_MAX = 256
REMEMBERED_MAX = 4_096
"""Tokens that are remembered as good: checking signatures is much of what a read costs."""
ALGORITHM = "RS256"
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_REQUIRED = ["exp", "iss", "aud", "sub", "tenant_id"]


class Keys(Protocol):
    """Where public keys come from (web/jwks.py)."""

    async def find(self, kid: str) -> RSAPublicKey | None:
        """The key of this id. Raises `Unavailable` when keys cannot be had."""

    async def find_newer(self, kid: str, than: RSAPublicKey) -> RSAPublicKey | None:
        """The key that has replaced `than` under this id, if one has."""


@dataclass(frozen=True, slots=True)
class _Verified:
    """What a token was found to say: under this key, for so long (Unix seconds)."""

    kid: str
    key: RSAPublicKey
    until_s: int
    claims: Claims


class Verifier:
    """Turns tokens into claims."""

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str,
        audience: str,
        leeway_s: float = 30,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway_s = leeway_s
        self._now_s = now_s
        self._verified: dict[bytes, _Verified] = {}

    async def verify(self, token: str) -> Claims:
        """The claims of a good token. Raises `Problem`: 401, or 503 without any keys."""
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        known = self._verified.get(digest)
        kid = known.kid if known is not None else _kid_of(token)
        try:
            key = await self._keys.find(kid)
            if key is None:
                raise _refused("The token's key is not known.")
            if known is not None and known.key is key and self._now_s() < known.until_s:
                return known.claims
            try:
                return self._remembered(digest, kid, key, self._decode(token, key))
            except jwt.InvalidSignatureError:
                newer = await self._keys.find_newer(kid, key)
                if newer is None:
                    raise
                return self._remembered(digest, kid, newer, self._decode(token, newer))
        except Unavailable as error:
            raise unavailable("keys-unavailable", "Tokens cannot be verified now.") from error
        except jwt.ExpiredSignatureError as error:
            raise _refused("The token has expired.") from error
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise _refused("The token is not valid here.") from error

    def _remembered(
        self, digest: bytes, kid: str, key: RSAPublicKey, payload: dict[str, Any]
    ) -> Claims:
        """The claims; the same token is not verified again while its key stays and it lives."""
        claims = _claims(payload)
        while len(self._verified) >= REMEMBERED_MAX:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = _Verified(kid, key, int(payload["exp"]), claims)
        return claims

    def _decode(self, token: str, key: RSAPublicKey) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=self._issuer,
            audience=self._audience,
            leeway=self._leeway_s,
            options={"require": _REQUIRED},
        )


def _kid_of(token: str) -> str:
    """The key id in the header of a token that may be verified at all."""
    if len(token) > MAX_TOKEN_CHARS:
        raise _refused("The token is too long.")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise _refused("The token cannot be read.") from error
    kid = header.get("kid")
    kind = header.get("typ", "JWT")
    if header.get("alg") != ALGORITHM or "crit" in header:
        raise _refused("The token is not signed in the way taken here.")
    if not isinstance(kid, str) or not kid:
        raise _refused("The token names no key.")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _refused("This kind of token is not taken.")
    return kid


def _claims(payload: dict[str, Any]) -> Claims:
    tenant_id, subject, scope = payload["tenant_id"], payload["sub"], payload.get("scope", [])
    if not isinstance(tenant_id, str) or not valid_id(tenant_id):
        raise _refused("The token names no tenant.")
    if isinstance(scope, str):
        scope = scope.split(" ")
    roles = payload.get("roles", [])
    for words in (scope, roles):
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise _refused("The token's scope or roles cannot be read.")
    name, email = (_short(payload.get(claim)) for claim in ("name", "email"))
    return Claims(subject, tenant_id, frozenset(scope) - {""}, frozenset(roles) - {""}, name, email)


def _short(value: object) -> str:
    """A claim for people to read: what is no plain short text says nothing."""
    is_text = isinstance(value, str) and len(value) <= NAME_CHARS_MAX and value.isprintable()
    return value if is_text and isinstance(value, str) else ""


def _refused(detail: str) -> Problem:
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return Problem(401, "invalid-token", detail, headers=headers)


def bearer_of(request: web.Request) -> str:
    """The bearer token of a request. Raises `Problem` 401 unless there is exactly one."""
    given = request.headers.getall("Authorization", [])
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        headers = {"WWW-Authenticate": "Bearer"}
        raise Problem(401, "token-missing", "A bearer token is required.", headers=headers)
    return token.strip()


def require_tenant(claims: Claims, tenant_id: str) -> None:
    """Raise `Problem` 403 unless the token is of this tenant."""
    if claims.tenant_id != tenant_id:
        raise Problem(403, "wrong-tenant", "The token is of another tenant.")


def require_superuser(claims: Claims) -> None:
    """Raise `Problem` 403 unless the bearer is of the platform's own people."""
    if not claims.is_superuser:
        raise Problem(403, "superuser-only", "Only the platform's superusers may do this.")


def require_scope(claims: Claims, scope: str) -> None:
    """Raise `Problem` 403 unless the token carries this scope."""
    if scope not in claims.scopes:
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        raise Problem(
            403,
            "scope-missing",
            f"The token lacks the scope {scope}.",
            headers={"WWW-Authenticate": challenge},
        )

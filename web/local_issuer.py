"""Tokens of the local stack: an RSA key in a file only its owner may read, its JWKS beside it.

For `treasury up` and the command line. Production verifies the auth service's tokens and never
opens this.
"""

import base64
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from streams.errors import Misconfigured
from web.auth import ALGORITHM, Verifier
from web.jwks import FixedKeys

ISSUER = "treasury-local"
AUDIENCE = "treasury"
_KEY_FILE, _JWKS_FILE = "issuer.pem", "jwks.json"


class LocalIssuer:
    """Mints tokens with the key of a folder, and verifies them."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self.kid = _thumbprint(public)
        self._jwk = {
            "kty": "RSA",
            "kid": self.kid,
            "use": "sig",
            "alg": ALGORITHM,
            "n": public["n"],
            "e": public["e"],
        }

    @classmethod
    def open(cls, folder: Path) -> "LocalIssuer":
        """The issuer whose key is in `folder`; makes key and folder when they are missing.

        Raises `Misconfigured` when others than the owner may read the key.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / _KEY_FILE
        if not path.exists():
            _create(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Misconfigured(f"{path} may be read by others: chmod 600")
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise Misconfigured(f"{path} holds no RSA key")
        issuer = cls(key)
        _write(folder / _JWKS_FILE, issuer.jwks(), 0o644)
        return issuer

    def jwks(self) -> bytes:
        """The public key as a JWKS document."""
        return msgspec.json.encode({"keys": [self._jwk]})

    def verifier(self) -> Verifier:
        """Verifies what `mint` makes."""
        keys = FixedKeys({self.kid: self._key.public_key()})
        return Verifier(keys, issuer=ISSUER, audience=AUDIENCE)

    def mint(
        self,
        tenant_id: str,
        scopes: Iterable[str],
        *,
        subject: str = "local",
        lifetime_s: int = 3600,
        **claims: object,
    ) -> str:
        """A token of this tenant with these scopes, good from now on for `lifetime_s`.

        More `claims` (roles, name, email) stand beside them.
        """
        now_s = int(time.time())
        said = {
            **claims,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "tenant_id": tenant_id,
            "scope": sorted(scopes),
            "iat": now_s,
            "exp": now_s + lifetime_s,
            "jti": str(uuid4()),
        }
        return jwt.encode(said, self._key, algorithm=ALGORITHM, headers={"kid": self.kid})


def _thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638: SHA-256 of the required members in order, without spaces."""
    canonical = f'{{"e":"{jwk["e"]}","kty":"RSA","n":"{jwk["n"]}"}}'.encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def _create(path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    temporary = _temporary(path, pem, 0o600)
    try:
        # A link, not a rename: of two processes that start together one key must win.
        path.hardlink_to(temporary)
    except FileExistsError:
        pass  # the other process was quicker; its key is read next
    finally:
        temporary.unlink()


def _write(path: Path, content: bytes, mode: int) -> None:
    _temporary(path, content, mode).replace(path)


def _temporary(path: Path, content: bytes, mode: int) -> Path:
    """A complete file beside `path`, which was never readable by more than its mode says."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
    return Path(name)

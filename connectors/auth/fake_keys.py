"""Keys of the fake auth service: made, shown as JWKs and signed with, by the standards alone.

RFC 7515 (JWS compact form), 7517 and 7518 (keys, RS256, ES256). Nothing here knows who verifies.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

Algorithm = Literal["RS256", "ES256"]
_P256_BYTES = 32


@dataclass(frozen=True)
class SigningKey:
    """One key pair under its id."""

    kid: str
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, kid: str, algorithm: Algorithm) -> "SigningKey":
        """A fresh one."""
        if algorithm == "ES256":
            return cls(kid, ec.generate_private_key(ec.SECP256R1()))
        return cls(kid, rsa.generate_private_key(public_exponent=65537, key_size=2048))

    @property
    def algorithm(self) -> Algorithm:
        """What it signs by."""
        return "RS256" if isinstance(self.private, rsa.RSAPrivateKey) else "ES256"

    @property
    def public_pem(self) -> bytes:
        """The public key as anybody may have it."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def jwk(self) -> dict[str, str]:
        """The public key as a JWK."""
        shown = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        if isinstance(self.private, rsa.RSAPrivateKey):
            public = self.private.public_key().public_numbers()
            length = (public.n.bit_length() + 7) // 8
            return {"kty": "RSA", **shown, "n": _uint(public.n, length), "e": _uint(public.e, 3)}
        point = self.private.public_key().public_numbers()
        x, y = _uint(point.x, _P256_BYTES), _uint(point.y, _P256_BYTES)
        return {"kty": "EC", "crv": "P-256", **shown, "x": x, "y": y}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """A token of these claims; `header` stands beside alg, kid and typ, or instead of them."""
        said = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT", **header}
        text = f"{_part(said)}.{_part(claims)}"
        return f"{text}.{_encoded(self._signature(text.encode()))}"

    def _signature(self, text: bytes) -> bytes:
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(text, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self.private.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_P256_BYTES, "big") + s.to_bytes(_P256_BYTES, "big")


def _part(said: dict[str, Any]) -> str:
    return _encoded(json.dumps(said, separators=(",", ":")).encode())


def _uint(number: int, length: int) -> str:
    return _encoded(number.to_bytes(length, "big"))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

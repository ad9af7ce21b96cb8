"""Tokens as an attacker or a careless issuer would make them: any header, any claims, any key."""

import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from web.local_issuer import AUDIENCE, ISSUER

STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def claims(**changes):
    """Claims that are good, but for the changes; None leaves a claim out."""
    now_s = int(time.time())
    members = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "someone",
        "tenant_id": "alpha",
        "scope": ["balances:read"],
        "iat": now_s,
        "exp": now_s + 600,
    }
    return {name: value for name, value in {**members, **changes}.items() if value is not None}


def encoded(part):
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(key, header, payload):
    """RS256, whatever the header says."""
    text = f"{encoded(header)}.{encoded(payload)}"
    return f"{text}.{encoded(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def unsigned(header, payload):
    return f"{encoded(header)}.{encoded(payload)}."


def hmac_signed(secret, header, payload):
    text = f"{encoded(header)}.{encoded(payload)}"
    return f"{text}.{encoded(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def public_pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def jwk_of(key, kid, **members):
    """The public key as a JWK."""
    numbers = key.public_key().public_numbers()

    def uint(value):
        return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))

    jwk = {"kty": "RSA", "kid": kid, "n": uint(numbers.n), "e": uint(numbers.e)}
    return {**jwk, **members}

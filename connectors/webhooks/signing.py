"""Signatures of Standard Webhooks 1.0.0: HMAC-SHA256 over `id.timestamp.body`. Pure."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """A fresh secret, as its receiver puts it into a Standard Webhooks library."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(
    message_id: str, timestamp_s: int, body: bytes, sealed_with: Iterable[str]
) -> Mapping[str, str]:
    """The three headers; one signature for each secret, while one is on its way out.

    `timestamp_s` is seconds since 1970. Raises ValueError for an invalid secret, or none given.
    """
    signatures = [_signature(secret, message_id, timestamp_s, body) for secret in sealed_with]
    if not signatures:
        raise ValueError("a webhook is signed or not sent")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(signatures),
    }


def _signature(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    if not secret.startswith(PREFIX) or not key:
        raise ValueError("no secret of a webhook")
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()

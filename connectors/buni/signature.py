"""Whether a notification is KCB's word: RSA over its raw bytes, under KCB's public key. Pure.

Source: KCB documentation, "Instant payment notification" (SHA256withRSA, in base64).
"""

import base64

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

_CHARS_MAX = 2_048


def key_of(pem: str) -> rsa.RSAPublicKey:
    """A public key in PEM. Raises ValueError."""
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        raise ValueError("buni: public_key is no public key in PEM") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("buni: public_key is no RSA key")  # noqa: TRY004  a setting
    return key


def is_signed(key: rsa.RSAPublicKey, body: bytes, signature: str) -> bool:
    """Whether these very bytes were signed by the key's owner."""
    if not signature or len(signature) > _CHARS_MAX:
        return False
    try:
        given = base64.b64decode(signature.strip(), validate=True)
        key.verify(given, body, padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature):
        return False
    return True

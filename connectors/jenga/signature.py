"""The signature of a request: RSA over some of its fields, one after another. Pure.

Source: Jenga documentation, "Generate signature" (PKCS #1 v1.5 with SHA-256, in base64).
"""

import base64

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def key_of(pem: str) -> rsa.RSAPrivateKey:
    """A private key in PEM. Raises ValueError, which holds nothing of it."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError("jenga: private_key is no open private key in PEM") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("jenga: private_key is no RSA key")  # noqa: TRY004  a setting
    return key


def signed(key: rsa.RSAPrivateKey, text: str) -> str:
    """The signature of a text, for the header of its request."""
    signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode()

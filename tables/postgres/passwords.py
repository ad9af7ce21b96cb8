"""SCRAM-SHA-256 verifiers (RFC 5802, 7677): a password itself never reaches the server's log."""

import base64
import hashlib
import hmac
import secrets

ITERATIONS = 4096  # what the server itself uses


def scram_verifier(password: str) -> str:
    """What PostgreSQL stores for this password; ValueError unless it is printable ASCII."""
    if not password or not password.isascii() or not password.isprintable():
        raise ValueError("a database password must be printable ASCII")
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored, server = (
        base64.b64encode(part).decode() for part in (salt, stored_key, server_key)
    )
    return f"SCRAM-SHA-256${ITERATIONS}:{salt_text}${stored}:{server}"

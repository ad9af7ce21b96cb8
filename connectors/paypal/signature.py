"""Whether a webhook is PayPal's word: RSA over its id, its time, our listener and a checksum.

Pure: who asks has fetched the certificate, from an address that `is_paypals` has judged. Source:
PayPal documentation, "Integrate webhooks" (verify by yourself).
"""

import base64
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from streams.timestamps import BadTimestamp, parse_ms

ALGORITHM = "SHA256withRSA"
TOLERANCE = timedelta(seconds=300)
SUBJECT = "messageverificationcerts.paypal.com"
"""Whose name the certificate bears; a setting, because PayPal does not promise it."""
_CHARS_MAX = 2_048
_PREFIX = "paypal-"
Age = Literal["fresh", "old"]


class BadSignature(ValueError):
    """Not PayPal's; the reason is for the log and holds no signature."""


class Transmission(NamedTuple):
    """What the headers of a webhook say of it."""

    transmission_id: str
    time: str
    signature: bytes
    certificate_url: str


class Trust(NamedTuple):
    """Whom to believe: our listener's id, the roots, and the name on the certificate."""

    webhook_id: str
    roots: Sequence[x509.Certificate]
    subject: str = SUBJECT


def is_paypals(url: str) -> bool:
    """Whether a certificate may be fetched from there: https at a host of paypal.com's own."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    is_plain = url.isascii() and url.isprintable() and not set(url) & {"\\", " "}
    is_alone = parts.scheme == "https" and port in {None, 443} and "@" not in parts.netloc
    return is_plain and is_alone and host.endswith(".paypal.com")


def transmission_of(headers: Mapping[str, str], *, near: str = "") -> Transmission:
    """What the headers say. Raises `BadSignature` for what is missing, or of another algorithm.

    `near` is the address of a fake on this machine, whose certificate may come from there.
    """
    said = {name.lower().removeprefix(_PREFIX): value for name, value in headers.items()}
    wanted = ("transmission-id", "transmission-time", "transmission-sig", "cert-url", "auth-algo")
    values = [said.get(name, "") for name in wanted]
    if not all(values) or any(len(value) > _CHARS_MAX for value in values):
        raise BadSignature("a header is missing")
    transmission_id, time, signature, certificate_url, algorithm = values
    if algorithm != ALGORITHM:
        raise BadSignature("another algorithm")
    if not (is_paypals(certificate_url) or (near and certificate_url.startswith(f"{near}/"))):
        raise BadSignature("a certificate from elsewhere")
    try:
        return Transmission(
            transmission_id, time, base64.b64decode(signature, validate=True), certificate_url
        )
    except ValueError:
        raise BadSignature("an invalid signature") from None


def signed_message(transmission: Transmission, webhook_id: str, body: bytes) -> bytes:
    """What PayPal signs; the checksum is an unsigned decimal of the raw bytes."""
    checksum = str(zlib.crc32(body))
    parts = (transmission.transmission_id, transmission.time, webhook_id, checksum)
    return "|".join(parts).encode()


def age_of(
    transmission: Transmission, body: bytes, certificates: bytes, trust: Trust, now: datetime
) -> Age:
    """How old a well-signed webhook is; `certificates` is PEM, the signer's first.

    Raises `BadSignature`. An old one is not believed, but it is a reason to ask.
    """
    if not trust.webhook_id:
        raise BadSignature("no listener to verify for")
    key = _trusted_key(certificates, trust, now)
    message = signed_message(transmission, trust.webhook_id, body)
    try:
        key.verify(transmission.signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise BadSignature("the signature does not fit") from None
    try:
        at = datetime.fromtimestamp(parse_ms(transmission.time) // 1_000, UTC)
    except BadTimestamp:
        raise BadSignature("an invalid time") from None
    if at - now > TOLERANCE:
        raise BadSignature("from the future")
    return "fresh" if now - at <= TOLERANCE else "old"


def _trusted_key(certificates: bytes, trust: Trust, now: datetime) -> rsa.RSAPublicKey:
    """The key of the first certificate, if it leads to a root we trust and bears the right name."""
    try:
        leaf, *between = x509.load_pem_x509_certificates(certificates)
        policy = PolicyBuilder().store(Store(list(trust.roots))).time(now)
        policy.build_server_verifier(x509.DNSName(trust.subject)).verify(leaf, between)
    except (ValueError, VerificationError):
        raise BadSignature("a certificate that is not to be trusted") from None
    key = leaf.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise BadSignature("a key of another kind")
    return key

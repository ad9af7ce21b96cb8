"""Whether a webhook is Stripe's word: HMAC-SHA256 over its time and its raw bytes.

Pure. Source: Stripe documentation, "Verify webhook signatures manually". Stricter than the library:
a time in the future is refused as well, and no tolerance means none.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Literal

TOLERANCE_S = 300
Age = Literal["fresh", "old"]
_seconds = re.compile(r"[0-9]{1,12}").fullmatch


class BadSignature(ValueError):
    """Not Stripe's, or not to be told whose; the reason is for the log and holds no signature."""


def age_of(header: str, body: bytes, secrets: Sequence[str], now_s: int) -> Age:
    """How old a well-signed webhook is. An old one is not believed, but it is a reason to ask.

    Raises `BadSignature`: without a secret, without a time, with another scheme alone, with no
    signature that fits, or from the future.
    """
    if not secrets or not all(secrets):
        raise BadSignature("no secret to verify with")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    given = [value for name, _, value in pairs if name == "v1"]
    if len(times) != 1 or not _seconds(times[0]) or not given:
        raise BadSignature("no time, or no signature of version 1")
    signed = times[0].encode() + b"." + body
    if not any(_fits(secret, signed, each) for secret in secrets for each in given):
        raise BadSignature("no signature fits")
    apart_s = now_s - int(times[0])
    if apart_s < -TOLERANCE_S:
        raise BadSignature("from the future")
    return "fresh" if apart_s <= TOLERANCE_S else "old"


def _fits(secret: str, signed: bytes, given: str) -> bool:
    """In constant time; as bytes, because text that is no ASCII would raise."""
    wanted = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted.encode(), given.encode(errors="replace"))

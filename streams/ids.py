"""Identifiers: which ones we take, and how ours follow from what caused them.

Nothing is drawn at random: the same event gives the same ids in every replay. Ids of other
services are opaque text; they need not be UUIDs.
"""

import hashlib
import re
from typing import Final
from uuid import UUID

EVENTS: Final = UUID("6d0f8a8e-3c55-4a0e-9a5b-2f1c7f5f0b61")
"""Namespace of what an event causes. Fixed for ever: with another one, replay gives other ids."""

REQUESTS: Final = UUID("b7c0e5d2-9a1f-4c36-8d2e-51f0a4c9e7a3")
"""Namespace of the events that HTTP commands become."""

_is_id = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}").fullmatch
_events = hashlib.sha1(EVENTS.bytes, usedforsecurity=False)
_requests = hashlib.sha1(REQUESTS.bytes, usedforsecurity=False)
_identity = hashlib.blake2b(digest_size=16)
_payload = hashlib.blake2b(digest_size=8)
# The hex digit that holds a UUID's variant keeps its two low bits (RFC 9562).
_VARIANT: Final = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}


def valid_id(text: str) -> bool:
    """Whether the text can be an id: 1 to 128 ASCII letters, digits and `. _ : @ -`."""
    return _is_id(text) is not None


def derive(tenant_id: str, source_event_id: str, kind: str, ordinal: int) -> str:
    """The id of what an event causes: uuid5 in EVENTS over the parts joined by U+001F."""
    digest = _events.copy()
    digest.update(f"{tenant_id}\x1f{source_event_id}\x1f{kind}\x1f{ordinal}".encode())
    return _uuid5(digest.hexdigest())


def http_event_id(tenant_id: str, route: str, idempotency_key: str) -> str:
    """The event id of an HTTP command: uuid5 in REQUESTS over the parts joined by U+001F.

    The key is the caller's text and comes last, so that no key can imitate another route.
    """
    digest = _requests.copy()
    digest.update(f"{tenant_id}\x1f{route}\x1f{idempotency_key}".encode())
    return _uuid5(digest.hexdigest())


def _uuid5(digits: str) -> str:
    return (
        f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}"
        f"-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}"
    )


def identity(tenant_id: str, event_id: str) -> bytes:
    """16 bytes that stand for an event in deduplication."""
    digest = _identity.copy()
    digest.update(f"{tenant_id}\x1f{event_id}".encode())
    return digest.digest()


def payload_hash(event_type: str, raw_data: bytes) -> bytes:
    """8 bytes that tell whether two events of one id say the same, byte by byte."""
    digest = _payload.copy()
    digest.update(event_type.encode() + b"\x1f" + raw_data)
    return digest.digest()

"""Tokens in the addresses that we give to providers: who calls one has it from us. Pure.

Some providers sign nothing, so the address is the proof. A token holds the tenant's own address, or
that of one call, and nothing else: one that is found out tells about that call alone.
"""

import hmac
import re
from collections.abc import Sequence

_PURPOSE = b"treasury.callback.v1"
_MAC_CHARS = 40
"""160 bits of the MAC, in hex: M-Pesa refuses addresses that hold words such as exe, cmd or sql."""
_parts = re.compile(r"(?:([A-Za-z0-9_-]{1,64})\.)?([0-9a-f]{40})").fullmatch


def token_of(key: bytes, gateway: str, tenant_id: str, call_id: str = "") -> str:
    """The token of a tenant's address, or of one call. Raises ValueError for a short key."""
    mac = _mac(key, gateway, tenant_id, call_id)
    return f"{call_id}.{mac}" if call_id else mac


def call_of(keys: Sequence[bytes], gateway: str, tenant_id: str, token: str) -> str | None:
    """The call that a token names, empty for the tenant's own; None for a token that is not ours.

    `keys` are those that tokens were made with and that are still good. Takes as long for any.
    """
    read = _parts(token)
    call_id, given = (read[1] or "", read[2]) if read else ("", "")
    ours = [
        hmac.compare_digest(_mac(key, gateway, tenant_id, call_id).encode(), given.encode())
        for key in keys
    ]
    return call_id if any(ours) else None


def _mac(key: bytes, gateway: str, tenant_id: str, call_id: str) -> str:
    if len(key) < 32:
        raise ValueError("a key of callbacks has 32 bytes or more")
    # Lengths before the parts: no two addresses have the same message.
    parts = (gateway.encode(), tenant_id.encode(), call_id.encode())
    message = b"".join([_PURPOSE, *(len(part).to_bytes(2, "big") + part for part in parts)])
    return hmac.digest(key, message, "sha256").hex()[:_MAC_CHARS]

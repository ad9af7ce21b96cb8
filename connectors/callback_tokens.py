"""Tokens in the addresses that we give to providers: who calls one has it from us. Pure.

Some providers sign nothing, so the address is the proof. A token holds the tenant's own address, or
that of one call, and nothing else: one that is found out tells about that call alone.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_PURPOSE = b"treasury.callback.v1"
_MAC_CHARS = 40
"""160 bits of the MAC, in hex: M-Pesa refuses addresses that hold words such as exe, cmd or sql."""
_parts = re.compile(r"(?:([A-Za-z0-9_-]{1,64})\.)?([0-9a-f]{40})").fullmatch


class Named(NamedTuple):
    """What an address names: a gateway, and a call or none."""

    gateway: str
    call_id: str


@dataclass(frozen=True)
class Addresses:
    """Where providers reach us: `base_url` is the public one, `aliases` are neutral words.

    `keys` are those that tokens were made with, the current one first.
    """

    base_url: str
    aliases: Mapping[str, str]
    keys: Sequence[bytes] = field(repr=False)

    def of(self, gateway: str, tenant_id: str, call_id: str = "") -> str:
        """The tenant's address at a gateway, or one call's, to which a kind is appended.

        Empty for a gateway that calls nobody.
        """
        for alias, named in self.aliases.items():
            if named == gateway:
                token = token_of(self.keys[0], gateway, tenant_id, call_id)
                return f"{self.base_url}/webhooks/{alias}/{tenant_id}/{token}"
        return ""

    def read(self, alias: str, tenant_id: str, token: str) -> Named | None:
        """What an address names that somebody calls; None for one that is not ours."""
        gateway = self.aliases.get(alias, "")
        call_id = call_of(self.keys, gateway, tenant_id, token)
        return Named(gateway, call_id) if gateway and call_id is not None else None


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

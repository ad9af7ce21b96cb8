"""Cursors of lists: opaque, signed, and good only for the list that gave them out.

A cursor holds the sort key of the last row shown; the next page begins after it, so rows that
come or go in between neither repeat nor vanish.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

import msgspec

from web.problems import Problem

Place = str
"""Which list: tenant, route and filters. A cursor of another place is no cursor."""

_MAC_BYTES = 16


class Cursors:
    """Writes and reads cursors under one key, the same in every worker."""

    def __init__(self, key: bytes) -> None:
        if len(key) < 32:
            raise ValueError("the cursor key needs at least 32 bytes")
        self._key = key

    def write(self, place: Place, after: Sequence[int | str]) -> str:
        """The cursor that continues behind the row with the sort key `after`."""
        payload = msgspec.json.encode(after)
        token = self._mac(place, payload) + payload
        return base64.urlsafe_b64encode(token).rstrip(b"=").decode()

    def read(self, place: Place, text: str) -> list[int | str]:
        """The sort key in a cursor of this place. Raises `Problem` 400 for anything else."""
        try:
            token = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            token = b""
        mac, payload = token[:_MAC_BYTES], token[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(place, payload)):
            raise Problem(400, "bad-cursor", "The cursor is not one of this list.")
        return msgspec.json.decode(payload, type=list[int | str])

    def _mac(self, place: Place, payload: bytes) -> bytes:
        data = b"cursor 1\x00" + place.encode() + b"\x00" + payload
        return hmac.digest(self._key, data, hashlib.sha256)[:_MAC_BYTES]

"""One record of `treasury.inbound`: an envelope or a JSON array of envelopes of one partition.

The headers say through which door it came and prove that our own producer said so; a record
without our signature came from another Kafka producer, whatever its headers claim.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

INGRESSES = ("nats", "http", "webhook", "file", "internal", "kafka")
MAX_RECORD_BYTES = 1_000_000
MAX_ENVELOPES = 1_000

_INGRESS, _SIGNATURE, _REFUSED = "treasury-ingress", "treasury-signature", "treasury-refused"
Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True)
class Stamp:
    """How a record came in: its door, and the reason if the door already refused its bytes."""

    ingress: str
    refused: str = ""


def pack(envelopes: Iterable[bytes]) -> bytes:
    """The value of a record that holds these envelopes (each valid JSON by itself)."""
    return b"[" + b",".join(envelopes) + b"]"


class Signer:
    """Stamps our own records and recognises them again (HMAC-SHA256 under the cluster's key).

    Records stamped under one of the `older` keys are recognised too.
    """

    def __init__(self, key: bytes, *older: bytes) -> None:
        if any(len(each) < 32 for each in (key, *older)):
            raise ValueError("the inbound signing key needs at least 32 bytes")
        self._key, self._older = key, older

    def headers(self, stamp: Stamp, partition: int, value: bytes) -> Headers:
        """Kafka headers for a record that we append ourselves."""
        signature = _signature(self._key, stamp, partition, value)
        headers = [(_INGRESS, stamp.ingress.encode()), (_SIGNATURE, signature)]
        if stamp.refused:
            headers.append((_REFUSED, stamp.refused.encode()))
        return headers

    def read(self, headers: Iterable[Any], partition: int, value: bytes) -> Stamp:
        """The stamp of a record; ingress `kafka` when it does not bear our signature.

        Never raises: another producer's headers may be null, repeated or of any bytes.
        """
        found = _ours(headers)
        ingress = found.get(_INGRESS, b"").decode("ascii", "replace")
        stamp = Stamp(ingress, found.get(_REFUSED, b"").decode("utf-8", "replace"))
        signature = found.get(_SIGNATURE, b"")
        if ingress not in INGRESSES:
            return Stamp("kafka")
        for key in (self._key, *self._older):
            if hmac.compare_digest(signature, _signature(key, stamp, partition, value)):
                return stamp
        return Stamp("kafka")


def _signature(key: bytes, stamp: Stamp, partition: int, value: bytes) -> bytes:
    mac = hmac.new(key, digestmod=hashlib.sha256)
    mac.update(f"1\x1f{stamp.ingress}\x1f{stamp.refused}\x1f{partition}\x1f".encode())
    mac.update(value)
    return mac.digest()


def _ours(headers: Iterable[Any]) -> dict[str, bytes]:
    """The values of the headers that we write; none if one is repeated, for we write each once."""
    found: dict[str, bytes] = {}
    for key, value in headers:
        if key not in (_INGRESS, _SIGNATURE, _REFUSED):
            continue
        if key in found:
            return {}
        found[key] = value if isinstance(value, bytes) else b""
    return found

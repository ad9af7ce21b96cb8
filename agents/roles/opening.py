"""Opens inbound records: their stamp, and the envelopes in them. Decides nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from agents.outcomes import Arrival
from streams import strict_json
from streams.inbound import MAX_ENVELOPES, Signer

_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Opened:
    """The envelopes of a record; `checked` if their JSON is known to be strict."""

    arrivals: list[Arrival]
    checked: bool


class Opener:
    """Opens the records of one partition, one after the other.

    The last one is kept open: a large record is decided over several batches.
    """

    def __init__(self, signer: Signer, partition: int) -> None:
        self._signer, self._partition = signer, partition
        self._place, self._value = (-1, -1), b""
        self._opened = Opened([], True)

    def open(
        self, log: int, offset: int, received_ms: int, headers: Iterable[Any], value: bytes
    ) -> Opened:
        """The record at this place of the log; raises nothing, whatever its bytes are."""
        if self._place != (log, offset) or self._value is not value:
            stamp = self._signer.read(headers, self._partition, value)
            whole = Arrival(log, offset, 0, stamp.ingress, received_ms, value, stamp.refused)
            self._opened = _open(whole)
            self._place, self._value = (log, offset), value
        return self._opened


def _open(whole: Arrival) -> Opened:
    value = whole.raw
    if whole.refused:
        return Opened([whole], checked=True)
    checked = strict_json.check(value) is None
    if value[:1] != b"[":
        return Opened([whole], checked)
    try:
        pieces = _split(value)
    except (ValueError, RecursionError):
        return Opened([whole], checked=False)  # decided as one unreadable envelope
    if len(pieces) > MAX_ENVELOPES:
        return Opened([_in(whole, 0, value, "too_many_envelopes")], checked=True)
    return Opened([_in(whole, i, bytes(piece)) for i, piece in enumerate(pieces)], checked)


def _in(whole: Arrival, index: int, raw: bytes, refused: str = "") -> Arrival:
    return Arrival(whole.log, whole.offset, index, whole.ingress, whole.received_ms, raw, refused)

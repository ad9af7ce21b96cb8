"""Which events were decided before, and how: an index over the packed seen segments.

An id is found whatever its tenant's other ids are; a segment leaves whole, when all of it is
older than the deduplication window by log time.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from streams.journal import STATUSES
from tables.memory import SeenSegment, segment_key
from tables.row import Row

IDENTITY_BYTES, PAYLOAD_BYTES = 16, 8
_WIDTH = IDENTITY_BYTES + PAYLOAD_BYTES + 1
_SLOT_BITS = 20
_ANSWERED = 0x80  # beside the status: a reply may be stored for this event


@dataclass(frozen=True, slots=True)
class Decided:
    """An earlier decision: the payload's hash and what became of the event."""

    payload_hash: bytes
    status: str


class Seen:
    """The deduplication index of one partition; `row` reads a row by key."""

    def __init__(self, row: Callable[[bytes], Row | None]) -> None:
        self._row = row
        self._slots: dict[bytes, int] = {}
        self._segments: deque[tuple[int, int]] = deque()  # (seq, newest_ms), oldest first
        self._open: list[bytes] = []
        self._open_seq = -1

    def __len__(self) -> int:
        return len(self._slots)

    def begin(self, seq: int) -> None:
        """Start the segment of journal record `seq`."""
        self._open, self._open_seq = [], seq

    def find(self, identity: bytes) -> Decided | None:
        """The latest decision about this event within the window."""
        slot = self._slots.get(identity)
        if slot is None:
            return None
        seq, index = slot >> _SLOT_BITS, slot & ((1 << _SLOT_BITS) - 1)
        if seq == self._open_seq:
            packed = self._open[index]
        else:
            row = self._row(segment_key(seq))
            assert isinstance(row, SeenSegment)
            packed = row.packed[index * _WIDTH : (index + 1) * _WIDTH]
        return Decided(packed[IDENTITY_BYTES:-1], STATUSES[packed[-1] & ~_ANSWERED])

    def remember(
        self, identity: bytes, payload_hash: bytes, status: str, *, answered: bool = False
    ) -> None:
        """Note a decision in the open segment; `answered` if a reply to it may be stored."""
        self._slots[identity] = self._open_seq << _SLOT_BITS | len(self._open)
        mark = STATUSES.index(status) | (_ANSWERED if answered else 0)
        self._open.append(identity + payload_hash + bytes([mark]))

    def close(self, now_ms: int) -> SeenSegment | None:
        """The row of the open segment; None if nothing was decided in it."""
        if not self._open:
            return None
        self._segments.append((self._open_seq, now_ms))
        return SeenSegment(self._open_seq, now_ms, b"".join(self._open))

    def load(self, segment: SeenSegment) -> None:
        """Index a stored segment; segments come in order of their sequence numbers."""
        packed, base = segment.packed, segment.seq << _SLOT_BITS
        for index in range(len(packed) // _WIDTH):
            start = index * _WIDTH
            self._slots[packed[start : start + IDENTITY_BYTES]] = base | index
        self._segments.append((segment.seq, segment.newest_ms))

    def expired(self, before_ms: int, limit: int) -> list[tuple[bytes, list[bytes]]]:
        """Forget up to `limit` segments wholly older than `before_ms`.

        For each its key, and the identities forgotten with it that may have a stored reply.
        """
        gone: list[tuple[bytes, list[bytes]]] = []
        while self._segments and self._segments[0][1] < before_ms and len(gone) < limit:
            seq, _ = self._segments.popleft()
            row = self._row(segment_key(seq))
            assert isinstance(row, SeenSegment)
            gone.append((row.key, self._forget(row)))
        return gone

    def _forget(self, segment: SeenSegment) -> list[bytes]:
        answered = []
        for start in range(0, len(segment.packed), _WIDTH):
            identity = segment.packed[start : start + IDENTITY_BYTES]
            if self._slots.get(identity, -1) >> _SLOT_BITS == segment.seq:
                del self._slots[identity]
                if segment.packed[start + _WIDTH - 1] & _ANSWERED:
                    answered.append(identity)
        return answered

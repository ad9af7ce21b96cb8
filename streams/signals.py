"""Failpoints: `TREASURY_CRASH_AT=seam:n` kills the process the n-th time it passes that seam.

Free when unset. Tests use it to crash exactly where a crash would hurt most.
"""

import os
import signal

SEAMS = {
    "S1": "bridge: fetched from NATS",
    "S2": "bridge: produced to inbound",
    "S3": "bridge: archive seen, before the NATS ack",
    "S4": "writer: claim appended",
    "S5": "writer: in the middle of deciding",
    "S6": "writer: batch appended, before its ack is seen",
    "S7": "writer: committed, before the answer",
    "S8": "checkpoint: changelog sent, before its acks",
    "S9": "checkpoint: acks seen, before the RocksDB batch",
    "S10": "checkpoint: RocksDB batch written, before the checkpoint row",
    "S11": "archive: rows inserted, before the commit",
    "S12": "relay: published, before progress",
    "S14": "recovery half-way",
    "S15": "partitions revoked",
    "S17": "dispatch: grant appended",
    "S18": "dispatch: grant read back, before the call",
    "S19": "dispatch: call done, before its answer is stored",
    "S20": "dispatch: answer stored, before the event is appended",
}

_seam, _, _count = os.environ.get("TREASURY_CRASH_AT", "").partition(":")
_left = int(_count or 1) if _seam else 0
if _seam and _seam not in SEAMS:
    raise ValueError(f"TREASURY_CRASH_AT names no seam: {_seam!r}; known: {', '.join(SEAMS)}")


def crash_here(seam: str) -> None:
    """SIGKILL this process if the environment asked for this seam and its count is reached."""
    global _left
    if seam != _seam:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

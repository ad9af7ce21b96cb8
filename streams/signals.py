"""Failpoints: `TREASURY_CRASH_AT=seam:n` kills the process the n-th time it passes that seam, and
`TREASURY_STOP_AT=seam:n` freezes it there until somebody sends SIGCONT.

Free when unset. Tests use them to crash, or to sleep, exactly where it would hurt most.
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
    "S13": "web: a callback verified, before it is appended",
    "S14": "recovery half-way",
    "S15": "partitions revoked",
    "S16": "keys: a secret resealed, the next one not yet",
    "S17": "dispatch: grant appended",
    "S18": "dispatch: grant read back, before the call",
    "S19": "dispatch: call done, before its answer is stored",
    "S20": "dispatch: answer stored, before the event is appended",
}
_SIGNALS = {"TREASURY_CRASH_AT": signal.SIGKILL, "TREASURY_STOP_AT": signal.SIGSTOP}

_armed: dict[str, tuple[signal.Signals, int]] = {}
"""By seam: what is sent, and the passes left until then."""

for _variable, _signal in _SIGNALS.items():
    _seam, _, _count = os.environ.get(_variable, "").partition(":")
    if _seam and _seam not in SEAMS:
        raise ValueError(f"{_variable} names no seam: {_seam!r}; known: {', '.join(SEAMS)}")
    if _seam:
        _armed[_seam] = (_signal, int(_count or 1))


def crash_here(seam: str) -> None:
    """Kill or freeze this process if the environment asked for this seam and its count is reached.

    Says so on standard error first: a process that is killed leaves no other trace.
    """
    if seam not in _armed:
        return
    number, left = _armed[seam]
    _armed[seam] = (number, left - 1)
    if left == 1:
        os.write(2, f"failpoint {seam} {number.name}\n".encode())
        os.kill(os.getpid(), number)

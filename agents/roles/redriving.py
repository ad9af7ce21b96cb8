"""What is said to have a dead letter decided once more, whoever asks: operators, or its tenant."""

from typing import Any, NamedTuple

from streams.ids import derive


class Redriving(NamedTuple):
    """The event that asks for it. Asked for twice before it is decided, it is one event."""

    event_id: str
    attempt: int
    data: dict[str, Any]


def redriving(
    letter_id: str, *, tenant_id: str, event_id: str, ingress: str, raw: bytes, attempts: int
) -> Redriving:
    """For a letter that was re-driven `attempts` times so far: its own bytes, by its own door."""
    attempt = attempts + 1
    return Redriving(
        derive(tenant_id, letter_id, "redrive", attempt),
        attempt,
        {"event_id": event_id, "attempt": attempt, "ingress": ingress, "raw": raw},
    )

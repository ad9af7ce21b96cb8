"""The words of deciding: where an envelope stands in the log, and what became of it."""

import msgspec

from agents.apply import Draft, json_reply
from streams.envelope import Envelope
from streams.journal import Reply

WINDOW_MS = 7 * 24 * 3600 * 1000
FUTURE_MS = 24 * 3600 * 1000
SYSTEM_TENANT = "treasury"
"""The tenant of ticks; no customer may bear this name."""

BARE = Envelope("", "", "", "", 0, b"")
"""Stands for an envelope that could not be read."""


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """An envelope as it stands in the log; `refused` is the reason a door already gave.

    `redriven` tells that somebody asked to have it decided once more.
    """

    log: int
    offset: int
    index: int
    ingress: str
    received_ms: int
    raw: bytes
    refused: str = ""
    redriven: bool = False

    def order(self, step: int) -> str:
        """Sorts as the log does; a step is what one event sets in motion in the same place."""
        return f"{self.log:04x}{self.offset:016x}{self.index:05x}{step:05x}"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What the fold made of one event before it is written down.

    `kept` is False for what must be decided anew when the same event comes again.
    """

    status: str
    reason: str = ""
    draft: Draft | None = None
    reply: Reply | None = None
    kept: bool = True


def refused(ingress: str, reason: str, detail: str, http_status: int) -> Outcome:
    """The caller's matter: a command is answered, anything else is a dead letter.

    An answer that says "not now" (503) is neither stored nor remembered: its retry counts.
    """
    if ingress != "http":
        return Outcome("rejected", f"{reason}: {detail}" if detail else reason)
    reply = json_reply(http_status, {"code": reason, "detail": detail})
    return Outcome("refused", reason, reply=reply, kept=http_status != 503)


def rejected(ingress: str, reason: str, detail: str, http_status: int) -> Outcome:
    """Our matter: a dead letter in any case, and a command is answered besides."""
    reply = json_reply(http_status, {"code": reason, "detail": ""}) if ingress == "http" else None
    return Outcome("rejected", f"{reason}: {detail}" if detail else reason, reply=reply)


def parked(ingress: str, reason: str) -> Outcome:
    """The event waits; a command is told so."""
    if ingress != "http":
        return Outcome("parked", reason)
    reply = json_reply(202, {"status": "parked", "reason": reason})
    return Outcome("parked", reason, reply=reply)

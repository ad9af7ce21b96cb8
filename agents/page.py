"""The journal record in the making: its entries, the rows it changed, and how large both are.

Sizes are estimates, and a function of log and rows alone: decisions depend on them.
"""

from agents.apply import Draft
from agents.outcomes import FUTURE_MS, WINDOW_MS, Arrival, Outcome
from streams.envelope import Envelope
from streams.journal import Entry, Image
from tables.memory import StoredReply, reply_key
from tables.seen import Seen
from tables.working_set import WorkingSet

REMEMBERED_MS = WINDOW_MS + FUTURE_MS
"""An event may be dated ahead: it must be remembered until its own time is out of the window."""

SEGMENTS_PER_RECORD = 8
_ENTRY_BYTES, _SEEN_BYTES = 160, 25
_EMPTY = Draft()


class Page:
    """What is decided since the last record, on the rows of one partition; `now_ms` is log time."""

    def __init__(self, working: WorkingSet, seen: Seen, now_ms: int) -> None:
        self.working, self.seen = working, seen
        self.now_ms = now_ms
        self.entries: list[Entry] = []
        self._entries_bytes = 0
        self._written_bytes = 0

    @property
    def size_bytes(self) -> int:
        """About the bytes that the record has so far."""
        return self._entries_bytes + self.working.changed_bytes

    @property
    def spent_bytes(self) -> int:
        """Only ever grows; counts a row each time it is written."""
        return self._written_bytes + self.working.written_bytes

    def begin(self, seq: int) -> None:
        """Start the journal record `seq`."""
        self.entries, self._entries_bytes = [], 0
        self.seen.begin(seq)

    def close(self) -> tuple[list[Entry], list[Image]]:
        """End the record: its entries and images; `working.digest` is then up to date."""
        segment = self.seen.close(self.now_ms)
        if segment is not None:
            self.working.put(segment.key, segment)
        before_ms = self.now_ms - REMEMBERED_MS
        for key, identities in self.seen.expired(before_ms, SEGMENTS_PER_RECORD):
            self.working.put(key, None)
            for known in identities:
                if self.working.get(reply_key(known)) is not None:
                    self.working.put(reply_key(known), None)
        entries, self.entries = self.entries, []
        return entries, self.working.images()

    # -- events -------------------------------------------------------------------------------

    def remember(self, known: bytes, payload: bytes, ingress: str, outcome: Outcome) -> None:
        """Keep the id, and the answer if there is one, for whenever the event comes again."""
        if not outcome.kept:
            return
        reply = outcome.reply
        # A command may have been answered before, when it was told to wait.
        answered = reply is not None or ingress == "http"
        self.seen.remember(known, payload, outcome.status, answered=answered)
        if reply is not None:
            row = StoredReply(known, reply.status, reply.body)
            self.working.put(row.key, row)

    def write(
        self,
        arrival: Arrival,
        step: int,
        envelope: Envelope,
        outcome: Outcome,
        *,
        raw: bytes | None = None,
    ) -> None:
        """Write down what became of an event; `raw` if it is not the arrival's own."""
        draft, reply = outcome.draft or _EMPTY, outcome.reply
        raw = arrival.raw if raw is None else raw
        size = len(raw) + _ENTRY_BYTES + _SEEN_BYTES + draft.size_bytes
        if reply is not None:
            size += len(reply.body)
        self._entries_bytes += size
        self._written_bytes += size
        self.entries.append(
            Entry(
                arrival.offset,
                arrival.index,
                step,
                outcome.status,
                outcome.reason,
                arrival.ingress,
                self.now_ms,
                envelope.tenant_id,
                envelope.event_id,
                envelope.event_type,
                raw,
                draft.postings,
                draft.emitted,
                draft.calls,
                reply,
                arrival.refused,
                draft.day,
                draft.booked,
            )
        )

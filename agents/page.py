"""The journal record in the making: its entries, the rows it changed, and how large both are.

Sizes are estimates, and a function of log and rows alone: decisions depend on them.
"""

from collections.abc import Iterable, Mapping

from agents.apply import Draft
from agents.outcomes import FUTURE_MS, WINDOW_MS, Arrival, Outcome, draft_bytes
from streams.envelope import Envelope
from streams.journal import Entry, Image
from tables.memory import StoredReply, reply_key
from tables.row import Row, encode
from tables.seen import Seen
from tables.working_set import WorkingSet

REMEMBERED_MS = WINDOW_MS + FUTURE_MS
"""An event may be dated ahead: it must be remembered until its own time is out of the window."""

SEGMENTS_PER_RECORD = 8
_ENTRY_BYTES, _SEEN_BYTES, _IMAGE_BYTES = 160, 25, 10
_EMPTY = Draft()


class Page:
    """What is decided since the last record, on the rows of one partition; `now_ms` is log time.

    `size_bytes` is about what the record will have; `spent_bytes` only ever grows, and counts a
    row each time it is written.
    """

    def __init__(self, working: WorkingSet, seen: Seen, now_ms: int) -> None:
        self.working, self.seen = working, seen
        self.now_ms = now_ms
        self.entries: list[Entry] = []
        self.changed: dict[bytes, int] = {}
        self.size_bytes = 0
        self.spent_bytes = 0

    def begin(self, seq: int) -> None:
        """Start the journal record `seq`."""
        self.entries, self.changed, self.size_bytes = [], {}, 0
        self.seen.begin(seq)

    def close(self) -> tuple[list[Entry], list[Image]]:
        """End the record: its entries and images; `working.digest` is then up to date."""
        segment = self.seen.close(self.now_ms)
        if segment is not None:
            self.set(segment.key, segment)
        before_ms = self.now_ms - REMEMBERED_MS
        for key, identities in self.seen.expired(before_ms, SEGMENTS_PER_RECORD):
            self.set(key, None)
            for known in identities:
                if self.working.get(reply_key(known)) is not None:
                    self.set(reply_key(known), None)
        entries, changed = self.entries, self.changed
        self.entries, self.changed = [], {}
        return entries, self.working.images(list(changed))

    # -- rows ---------------------------------------------------------------------------------

    def set(self, key: bytes, row: Row | None) -> None:
        """Set or (None) delete a row."""
        self.working.put(key, row)
        self.note_sizes({key: image_bytes(key, row)})

    def note(self, keys: Iterable[bytes]) -> None:
        """These rows were changed in the working set."""
        get = self.working.get
        self.note_sizes({key: image_bytes(key, get(key)) for key in keys})

    def note_sizes(self, sizes: Mapping[bytes, int]) -> None:
        """As `note`, with the bytes of each row's image."""
        changed = self.changed
        spent = known = 0
        for key, size in sizes.items():
            spent += size
            known += changed.get(key, 0)
            changed[key] = size
        self.spent_bytes += spent
        self.size_bytes += spent - known

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
            self.set(row.key, row)

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
        size = len(raw) + _ENTRY_BYTES + _SEEN_BYTES + draft_bytes(outcome.draft)
        if reply is not None:
            size += len(reply.body)
        self.size_bytes += size
        self.spent_bytes += size
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
            )
        )


def image_bytes(key: bytes, row: Row | None) -> int:
    """The bytes of a row's image in a record."""
    return len(key) + _IMAGE_BYTES + (0 if row is None else len(encode(row)))

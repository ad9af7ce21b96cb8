"""However large what waits or is due: what one event sets in motion fits into a record, and the
rest goes on, in order, with the next tick. A replay cuts at the same places.
"""

import pytest

from agents.commands.payments import CREATE_INTENT, INTENT_LIFETIME_MS
from agents.judge import MAX_ENTRY_BYTES
from agents.parking import DEADLINE_MS
from agents.steps import STEPS_BYTES
from streams.journal import CODEC, NO_HASH, Batch, Position
from streams.topics import JOURNAL_MAX_BYTES
from tables.memory import Parked
from tables.payments import Payment
from tests.agents.core import NOW_MS, Core, envelope

PADDING = "x" * 880_000
TENANTS, EACH = 4, 10


def record_bytes(core: Core) -> int:
    """The encoded size of the last record, all of whose entries have one offset."""
    offset = core.entries[-1].offset
    entries = [entry for entry in core.entries if entry.offset == offset]
    members = (NO_HASH, NO_HASH, 1, core.now_ms, entries, core.images[-1], bytes(16))
    batch = Batch(b"c" * 16, 1, Position(1, offset), Position(1, offset + 1), *members)
    return len(CODEC.encode(batch))


def drain(core: Core) -> list[int]:
    """Tick until nothing is left to do; the size of each record."""
    sizes = [record_bytes(core)]
    while core.fold.parking.more_to_do:
        core.tick()
        sizes.append(record_bytes(core))
    return sizes


def park_many(core: Core) -> None:
    for tenant in range(TENANTS):
        for number in range(EACH):
            data = {"order_id": f"o{number}", "total_amount": 1, "padding": PADDING}
            core.event("cafe.order.created", f"u{tenant}", data)
    assert [entry.status for entry in core.entries[-TENANTS * EACH :]] == ["parked"] * 40


def entries_of(core: Core, status: str) -> list[str]:
    return [entry.event_id for entry in core.entries if entry.status == status]


class TestSizes:
    def test_large_events_at_their_deadline_leave_over_several_ticks(self, core):
        park_many(core)
        core.tick(DEADLINE_MS)
        sizes = drain(core)
        assert core.rows(Parked) == []
        assert entries_of(core, "rejected") == entries_of(core, "parked")
        assert len(sizes) > 10
        assert max(sizes) < STEPS_BYTES + 2 * len(PADDING)

    def test_large_events_are_released_over_several_ticks_in_order(self, core):
        for number in range(EACH):
            data = {"order_id": f"o{number}", "total_amount": 1, "padding": PADDING}
            core.event("cafe.order.created", "u", data)
        core.tenant("u")
        sizes = drain(core)
        assert len(sizes) >= EACH // 2
        assert max(sizes) < STEPS_BYTES + 2 * len(PADDING)
        assert core.rows(Parked) == []
        assert [i for i in entries_of(core, "applied") if i in entries_of(core, "parked")] == (
            entries_of(core, "parked")
        )

    def test_large_rows_that_are_due_change_over_several_ticks(self, core):
        many = {f"{number}": PADDING[:500] for number in range(50)}
        for number in range(150):
            data = {"amount": "5", "metadata": many}
            core.event(CREATE_INTENT, "t", data, event_id=f"i{number}", ingress="http")
        core.tick(INTENT_LIFETIME_MS)
        sizes = drain(core)
        assert {row.status for row in core.rows(Payment)} == {"expired"}
        assert len(sizes) > 2
        assert max(sizes) < STEPS_BYTES + len(PADDING)

    @pytest.mark.usefixtures("test_handlers")
    def test_rows_count_for_the_largest_entry(self, core):
        data = {"text": "x" * (MAX_ENTRY_BYTES + 1)}
        [entry] = core.event("test.waits", "t", data)
        assert entry.status == "parked", "it did not write a row"
        [entry] = core.event("test.stores", "t", data)
        assert (entry.status, entry.reason) == ("rejected", "too_large")

    def test_the_fold_knows_how_large_its_record_is(self, core):
        data = {"order_id": "o", "total_amount": 1, "padding": PADDING}
        raw = envelope("cafe.order.created", "u", data, event_id="e", timestamp_ms=NOW_MS)
        core.begin()
        core.fold.decide(core.arrival(raw))
        assert core.fold.size_bytes > 2 * len(PADDING), "the entry and the row that waits"
        size_bytes = core.fold.size_bytes
        core.close()
        assert abs(size_bytes - record_bytes(core)) < 1_000

    def test_a_row_that_changes_often_in_one_record_counts_once(self, core):
        core.begin()
        for number in range(200):
            data = {"order_id": f"o{number}", "total_amount": 1}
            raw = envelope("pos.order.completed", "t", data, event_id=f"e{number}")
            core.fold.decide(core.arrival(raw))
        size_bytes = core.fold.size_bytes
        entries, images = core.close()
        exact = sum(len(image.key) + len(image.value or b"") + 8 for image in images)
        exact += sum(
            len(CODEC.encode(_alone(entry))) - len(CODEC.encode(_alone())) for entry in entries
        )
        assert exact < size_bytes < 1.5 * exact

    def test_another_process_cuts_at_the_same_places(self, core):
        park_many(core)
        other = core.restarted()
        for each in (core, other):
            each.tick(DEADLINE_MS)
            drain(each)
        assert core.entries == other.entries
        assert core.images == other.images

    def test_no_record_of_all_this_comes_near_what_the_journal_takes(self):
        largest = 512 * 1024 + STEPS_BYTES + 1_000_000 + 2 * MAX_ENTRY_BYTES
        assert largest < JOURNAL_MAX_BYTES


def _alone(*entries: object) -> Batch:
    place = Position(1, 0)
    return Batch(b"", 1, place, place, b"", b"", 1, 0, list(entries), [], b"")

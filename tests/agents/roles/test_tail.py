"""The end of the archive that this process keeps: consecutive, bounded, and only what it knows."""

from agents.roles.tail import AT_ONCE, KEPT_BYTES, Tail
from streams.journal import CODEC, Batch
from tests.journals import Journal


def tail_of(count: int, size_bytes: int = 100) -> Tail:
    journal = Journal()
    CODEC.decode(journal.genesis())
    tail = Tail(0)
    for _ in range(count):
        record = CODEC.decode(journal.batch([]))
        assert isinstance(record, Batch)
        tail.add(record, size_bytes)
    return tail


def seqs(tail: Tail, seq: int) -> list[int] | None:
    found = tail.after(seq)
    return None if found is None else [record.seq for record in found]


class TestTail:
    def test_gives_what_follows_in_order(self):
        assert seqs(tail_of(3), 0) == [1, 2, 3]
        assert seqs(tail_of(3), 2) == [3]

    def test_has_nothing_for_who_is_at_its_end(self):
        assert seqs(tail_of(3), 3) == []
        assert seqs(tail_of(0), 0) == []

    def test_does_not_know_what_was_before_it(self):
        assert seqs(tail_of(3), -1) is None

    def test_gives_a_bounded_number_at_once(self):
        assert seqs(tail_of(AT_ONCE + 5), 0) == list(range(1, AT_ONCE + 1))

    def test_lets_the_oldest_go_and_keeps_the_last_whatever_its_size(self):
        tail = tail_of(3, KEPT_BYTES // 2)
        assert seqs(tail, 0) is None
        assert seqs(tail, 1) == [2, 3]
        assert seqs(tail_of(2, KEPT_BYTES + 1), 1) == [2]

from aiokafka import TopicPartition

from agents.roles.trimming import SAMPLES, Trimmer, trimmable
from streams.journal import Chain, Position
from streams.topics import Topics
from tables.checkpoint import checkpoint_of

JOURNAL, INBOUND = TopicPartition("t.journal", 0), TopicPartition("t.inbound", 0)


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class TestWhatIsTrimmable:
    def trimmable(self, position: Position, archived: tuple[int, Position]):
        chain = Chain(seq=7, next=position)
        return trimmable(Topics("t"), 0, checkpoint_of(chain, 40), *archived)

    def test_is_nothing_that_the_archive_has_not_read(self):
        assert self.trimmable(Position(1, 90), (6, Position(1, 80))) == {}

    def test_is_nothing_while_the_archive_is_in_another_log(self):
        assert self.trimmable(Position(2, 90), (7, Position(1, 95))) == {}

    def test_is_all_before_the_records_that_recovery_reads_back(self):
        found = self.trimmable(Position(1, 90), (7, Position(1, 90)))
        assert found == {JOURNAL: 40, INBOUND: 89}
        found = self.trimmable(Position(1, 90, 3), (7, Position(1, 90, 3)))
        assert found == {JOURNAL: 40, INBOUND: 90}


class TestTrimmer:
    def test_gives_out_nothing_that_was_archived_lately(self):
        clock = Clock()
        trimmer = Trimmer(100, monotonic_s=clock)
        trimmer.note({JOURNAL: 5})
        clock.now_s += 99
        assert trimmer.due() == {}
        clock.now_s += 1
        assert trimmer.due() == {JOURNAL: 5}

    def test_gives_out_the_newest_that_is_old_enough(self):
        clock = Clock()
        trimmer = Trimmer(100, monotonic_s=clock)
        for offset in (5, 6, 7):
            trimmer.note({JOURNAL: offset, INBOUND: 10 * offset})
            clock.now_s += 50
        assert trimmer.due() == {JOURNAL: 6, INBOUND: 60}
        clock.now_s += 50
        assert trimmer.due() == {JOURNAL: 7, INBOUND: 70}

    def test_keeps_few_notes_however_many_it_is_given(self):
        clock = Clock()
        trimmer = Trimmer(1_000, monotonic_s=clock)
        given = []
        for offset in range(3_000):
            trimmer.note({JOURNAL: offset})
            given += trimmer.due().values()
            clock.now_s += 1
        assert len(trimmer._noted[JOURNAL]) <= SAMPLES + 1
        # The last is as new as it may be, but for the distance of two notes.
        assert 2_999 - 1_000 - 1_000 / SAMPLES - 1 <= given[-1] <= 1_999

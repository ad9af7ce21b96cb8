"""The product's core against the model: the same books whatever the order of arrival."""

from collections import Counter

import pytest

from tests.model.compare import differences, unbalanced
from tests.model.generator import Load, generate, shuffled
from tests.model.ledger import expected
from tests.model.played import Played, digests, play, shown

SEEDS = (1, 2, 3)


def load_of(seed: int, events: int) -> Load:
    print(f"seed {seed}, {events} events")
    return generate(seed, events)


@pytest.mark.parametrize("seed", SEEDS)
class TestFoldMatchesModel:
    def test_in_publishing_order(self, seed):
        load = load_of(seed, 3_000)
        played = play(load, load.messages)
        assert differences(expected(load.messages, load.stories), shown(played)) == []

    def test_in_any_order(self, seed):
        load = load_of(seed, 1_500)
        books = expected(load.messages, load.stories)
        for again in range(3):
            order = shuffled(load.messages, seed * 10 + again)
            assert differences(books, shown(play(load, order))) == [], again

    def test_backwards(self, seed):
        load = load_of(seed, 1_500)
        order = [each for each in load.messages[::-1] if each.reason != "conflict"]
        order += [each for each in load.messages if each.reason == "conflict"]
        books = expected(load.messages, load.stories)
        assert differences(books, shown(play(load, order))) == []

    def test_on_several_partitions(self, seed):
        load = load_of(seed, 2_000)
        played = play(load, load.messages, partitions=4)
        assert differences(expected(load.messages, load.stories), shown(played)) == []

    def test_postings_of_every_entry_sum_to_zero(self, seed):
        load = load_of(seed, 1_500)
        for core in play(load, load.messages).cores:
            for entry in core.entries:
                sums: Counter[str] = Counter()
                for posting in entry.postings:
                    sums[posting.asset] += posting.minor
                assert not any(sums.values()), entry

    def test_control_accounts_hold_after_every_event(self, seed):
        load = load_of(seed, 300)

        def watch(played: Played) -> None:
            assert unbalanced(shown(played)) == []

        played = Played(seed, 1, sizes=(1,), watch=watch)
        played.messages(shuffled(load.messages, seed))
        played.stories(load.stories)

    def test_the_digest_is_that_of_a_fresh_fold_of_the_same_log(self, seed):
        load = load_of(seed, 1_500)
        played = play(load, shuffled(load.messages, seed), partitions=2)
        for core in played.cores:
            fresh = type(core)(partition=core.partition, partitions=core.partitions)
            fresh.batch(core.arrivals)
            assert books_of(fresh) == books_of(core)
            assert core.restarted().working.digest == core.working.digest

    def test_deciding_the_same_log_in_the_same_batches_gives_the_same_bytes(self, seed):
        load = load_of(seed, 1_500)
        first, second = play(load, load.messages), play(load, load.messages)
        assert digests(first) == digests(second)
        assert [core.entries for core in first.cores] == [core.entries for core in second.cores]


def books_of(core) -> dict[bytes, object]:
    """All rows but the seen segments, which are cut by record."""
    rows = core.working.scan(b"", 1 << 30)
    return {row.key: row for row in rows if row.KIND != "sg"}

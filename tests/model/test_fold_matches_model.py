"""The product's core against the model: the same books whatever the order of arrival."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.model.compare import differences, unbalanced
from tests.model.generator import MAGIC, Load, Story, generate, shuffled
from tests.model.ledger import decimal_text, expected
from tests.model.played import Played, digests, play, shown
from tests.model.wire import from_json

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

    def test_the_same_log_once_more_decides_nothing(self, seed):
        load = load_of(seed, 1_000)
        core = play(load, load.messages).cores[0]
        books, first = books_of(core), [entry for entry in core.entries if not entry.step]
        for arrival in list(core.arrivals):
            core.send(arrival.raw, ingress=arrival.ingress, refused=arrival.refused)
        again = core.entries[-len(first) :]
        for before, after in zip(first, again, strict=True):
            assert before.raw == after.raw
            if after.status != "duplicate":  # its id was not even looked at
                assert (after.status, after.reason) == ("rejected", before.reason)
        assert books_of(core) == books
        assert core.violations() == []

    def test_deciding_the_same_log_in_the_same_batches_gives_the_same_bytes(self, seed):
        load = load_of(seed, 1_500)
        first, second = play(load, load.messages), play(load, load.messages)
        assert digests(first) == digests(second)
        assert [core.entries for core in first.cores] == [core.entries for core in second.cores]


def books_of(core) -> dict[bytes, object]:
    """All rows but the seen segments, which are cut by record."""
    rows = core.working.scan(b"", 1 << 30)
    return {row.key: row for row in rows if row.KIND != "sg"}


@pytest.mark.parametrize("seed", SEEDS)
class TestPaymentsBeforeTheirOrders:
    """Money that comes first waits in suspense; once its order is known, nothing tells."""

    def test_end_in_the_same_books(self, seed):
        load = load_of(seed, 1_000)
        stories = early_stories(load, seed)
        assert len(stories) > 20
        books = expected(load.messages, stories)
        played = Played(seed, 1)
        lifecycle = [each for each in load.messages if each.subject == "auth.tenant.created"]
        played.messages(lifecycle)
        played.stories(stories)
        early = shown(played)
        assert early.suspense
        assert unbalanced(early) == []
        played.messages([each for each in load.messages if each not in lifecycle])
        late = shown(played)
        # The case that was opened meanwhile was told.
        told = [each for each in late.published if each.event_type != EXCEPTION]
        books.outbound = [each for each in books.outbound if each.event_type != EXCEPTION]
        assert differences(books, replace(late, published=told)) == []


EXCEPTION = "treasury.reconciliation.exception"


def early_stories(load: Load, seed: int) -> list[Story]:
    """Payments of orders that only the café tells of: less than, exactly, or beyond the total."""
    dice = random.Random(seed)
    orders = {"cafe.order.created": set(), "pos.order.completed": set()}
    for message in load.messages:
        if not message.reason and message.subject in orders:
            order_id = from_json(message.raw)["data"]["order_id"]
            orders[message.subject].add((message.tenant_id, order_id))
    cafe_only = orders["cafe.order.created"] - orders["pos.order.completed"]
    currency = {tenant.tenant_id: tenant.currency for tenant in load.tenants}
    invoices = expected(load.messages, []).invoices
    stories = []
    for tenant_id, order_id in sorted(cafe_only)[::4]:
        asset, total = currency[tenant_id], invoices[tenant_id, order_id].total
        minor = dice.choice((total, total + 101, total // 2 + 1))
        minor += minor % 100 in MAGIC
        amount = decimal_text(minor, asset)
        stories.append(
            Story(tenant_id, order_id, asset, amount, False, retried=False, doubled=False)
        )
    return stories

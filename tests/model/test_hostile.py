"""The hostile stream holds what it promises, and nothing that the model could not judge."""

import itertools
import json
from collections import Counter

import pytest

from tests.model.generator import START_MS, Load, Message, generate
from tests.model.hostile import MOST_COPIES, OVERSIZE_BYTES, Hostile
from tests.model.ledger import expected

SEED = 20260302
OLD_MS = START_MS - 9 * 86_400_000


@pytest.fixture(scope="module")
def load() -> Load:
    return generate(SEED, 2_000, tenants=12)


@pytest.fixture(scope="module")
def stream(load) -> list[Message]:
    return Hostile(load, SEED, old_ms=OLD_MS).stream()


class TestHostile:
    def test_the_same_seed_gives_the_same_stream(self, load, stream):
        assert Hostile(load, SEED, old_ms=OLD_MS).stream() == stream
        assert Hostile(load, SEED + 1, old_ms=OLD_MS).stream() != stream

    def test_every_good_message_comes_one_to_five_times_from_all_publishers(self, load, stream):
        times = Counter(message.number for message in stream if not message.reason)
        good = [message for message in load.messages if not message.reason]
        assert set(times) >= {message.number for message in good}
        assert set(times.values()) == set(range(1, MOST_COPIES + 1))
        assert {message.publisher for message in stream} == {0, 1, 2, 3}

    def test_copies_come_in_any_order(self, stream):
        numbers = [message.number for message in stream]
        assert sum(a > b for a, b in itertools.pairwise(numbers)) > 1_000

    def test_an_id_is_used_by_two_tenants_and_both_are_right(self, stream):
        tenants: dict[str, set[str]] = {}
        for message in stream:
            if not message.reason:
                body = json.loads(message.raw)
                assert body["tenant_id"] == message.tenant_id
                tenants.setdefault(body["event_id"], set()).add(message.tenant_id)
        assert sum(len(found) == 2 for found in tenants.values()) >= 5
        books = expected(stream, [])
        assert sum(books.balances.values()) == 0

    def test_bad_ones_are_of_all_kinds_and_come_once(self, load, stream):
        reasons = Counter(message.reason for message in stream if message.reason)
        before = Counter(message.reason for message in load.messages if message.reason)
        assert reasons["conflict"] > before["conflict"] + 10
        assert reasons["future"] > 10
        assert reasons["too_large"] == 2
        assert all(len(m.raw) > OVERSIZE_BYTES for m in stream if m.reason == "too_large")
        assert all(m.after is not None for m in stream if m.reason == "conflict")

    def test_some_sales_are_old(self, stream):
        old = [m for m in stream if b'"timestamp":"2026-02-21T00:00:00Z"' in m.raw]
        assert {message.subject for message in old} == {"pos.order.completed"}
        assert len({message.number for message in old}) > 5

    def test_what_is_said_under_a_new_id_is_new(self):
        for seed in range(5, 36):  # several of these shared ids while both drew from one stream
            load = generate(seed, 500, tenants=12)
            good = {json.loads(each.raw)["event_id"] for each in load.messages if not each.reason}
            stream = Hostile(load, seed, old_ms=OLD_MS).stream()
            late = {json.loads(each.raw)["event_id"] for each in stream if each.reason == "future"}
            assert late
            assert not late & good

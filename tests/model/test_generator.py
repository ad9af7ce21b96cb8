"""The generator keeps what it promises; a load that is not what it says proves nothing."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.generator import MAGIC, START_MS, Load, generate, shuffled

SEED = 20260302


@pytest.fixture(scope="module")
def load() -> Load:
    print(f"seed {SEED}")
    return generate(SEED, 10_000)


class TestGenerate:
    @settings(max_examples=10, deadline=None)
    @given(st.integers(0, 1 << 32), st.integers(64, 600))
    def test_the_same_seed_gives_the_same_bytes(self, seed, events):
        assert generate(seed, events) == generate(seed, events)

    def test_another_seed_gives_another_load(self, load):
        assert generate(SEED + 1, 10_000).messages != load.messages

    @pytest.mark.parametrize("events", [64, 65, 333, 1_000])
    def test_makes_exactly_as_many_messages_as_asked(self, events):
        assert len(generate(SEED, events).messages) == events

    def test_refuses_a_load_too_small_for_its_tenants(self):
        with pytest.raises(ValueError, match="eight events"):
            generate(SEED, 39)

    @pytest.mark.parametrize("share", [0, 1, -0.2])
    def test_refuses_a_share_that_leaves_nobody_else(self, share):
        with pytest.raises(ValueError, match="between 0 and 1"):
            generate(SEED, 100, hot_share=share)

    def test_moves_with_the_clock_it_is_given(self):
        later = generate(SEED, 100, start_ms=START_MS + 86_400_000)
        assert b"2026-03-03T" in later.messages[0].raw

    def test_two_percent_are_byte_identical_copies_of_earlier_messages(self, load):
        first: dict[bytes, int] = {}
        copies = 0
        for message in load.messages:
            if not message.reason and first.setdefault(message.raw, message.number) != (
                message.number
            ):
                copies += 1
        assert copies == 200

    def test_half_a_percent_is_poison_of_every_kind(self, load):
        reasons = [message.reason for message in load.messages if message.reason]
        assert len(reasons) == 50
        assert len(set(reasons)) == 11

    def test_a_conflict_follows_the_message_it_contradicts(self, load):
        conflicts = [message for message in load.messages if message.reason == "conflict"]
        assert conflicts
        for conflict in conflicts:
            assert conflict.after is not None
            assert conflict.after < conflict.number
            original = json.loads(load.messages[conflict.after].raw)
            assert json.loads(conflict.raw)["event_id"] == original["event_id"]

    def test_some_events_come_before_their_tenant(self, load):
        known: set[str] = set()
        early = 0
        for message in load.messages:
            if message.subject == "auth.tenant.created":
                known.add(message.tenant_id)
            elif not message.reason and message.tenant_id not in known:
                early += 1
        assert early > 10

    def test_some_events_are_out_of_order(self, load):
        stamps = [json.loads(m.raw)["timestamp"] for m in load.messages if not m.reason]
        assert sum(stamp < max(stamps[:at], default="") for at, stamp in enumerate(stamps)) > 100

    def test_the_first_tenant_has_a_fifth_of_the_load(self, load):
        share = sum(message.tenant_id == load.tenants[0].tenant_id for message in load.messages)
        assert 0.17 < share / len(load.messages) < 0.23

    def test_the_first_of_many_tenants_has_the_share_it_is_given(self):
        load = generate(SEED, 10_000, tenants=101, hot_share=0.5)
        counts = Counter(message.tenant_id for message in load.messages)
        assert 0.46 < counts[load.tenants[0].tenant_id] / len(load.messages) < 0.54
        others = [counts[tenant.tenant_id] for tenant in load.tenants[1:]]
        assert len(others) == 100
        assert min(others) > 20

    def test_has_currencies_without_and_with_three_decimals(self, load):
        assert {tenant.currency for tenant in load.tenants} == {"KES", "UGX", "KWD"}

    def test_sells_some_orders_at_the_till_before_the_cafe_tells_of_them(self, load):
        seen: dict[str, str] = {}
        pairs = set()
        for message in load.messages:
            if message.reason or not message.subject.endswith(("order.created", "completed")):
                continue
            order_id = json.loads(message.raw)["data"]["order_id"]
            before = seen.setdefault(order_id, message.subject)
            if before != message.subject:
                pairs.add((before, message.subject))
        assert len(pairs) == 2

    def test_only_declined_stories_have_an_amount_that_means_something(self, load):
        assert len(load.stories) == 100
        for story in load.stories:
            if story.amount is not None:
                ending = int(story.amount.replace(".", "")) % 100
                assert (ending in MAGIC) == story.declined

    def test_some_stories_are_declined_and_some_retried(self, load):
        assert {story.declined for story in load.stories} == {True, False}
        assert {story.retried for story in load.stories} == {True, False}


class TestShuffled:
    def test_keeps_every_message_and_conflicts_behind(self, load):
        order = shuffled(load.messages, 7)
        assert order != list(load.messages)
        assert sorted(order, key=lambda message: message.number) == list(load.messages)
        place = {message.number: at for at, message in enumerate(order)}
        for message in order:
            assert message.after is None or place[message.after] < place[message.number]

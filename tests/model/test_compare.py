"""The comparison sees every single thing that can be wrong: it was made wrong on purpose."""

from dataclasses import replace

import pytest

from tests.model.compare import Shown, differences
from tests.model.generator import Load, generate
from tests.model.ledger import Books, expected
from tests.model.played import play, shown


@pytest.fixture(scope="module")
def load() -> Load:
    return generate(11, 2_000)


@pytest.fixture(scope="module")
def books(load: Load) -> Books:
    return expected(load.messages, load.stories)


@pytest.fixture
def right(load: Load) -> Shown:
    return shown(play(load, load.messages))


class TestDifferences:
    def test_has_nothing_to_say_of_what_is_right(self, books, right):
        assert differences(books, right) == []

    def test_sees_one_unit_too_much(self, books, right):
        key = next(iter(right.balances))
        wrong = replace(right, balances={**right.balances, key: right.balances[key] + 1})
        found = differences(books, wrong)
        assert any(line.startswith("balance") for line in found)
        assert any("all accounts sum to 1" in line for line in found)

    def test_sees_an_account_that_should_not_be(self, books, right):
        key = (books.balances and next(iter(books.balances)))[0]
        wrong = replace(right, balances={**right.balances, (key, "expense:fun", "KES"): 5})
        assert any("expense:fun" in line for line in differences(books, wrong))

    @pytest.mark.parametrize("member", ["invoices", "credits", "suspense"])
    def test_sees_a_lost_resource(self, books, right, member):
        resources = dict(getattr(right, member))
        resources.popitem()
        assert differences(books, replace(right, **{member: resources}))

    def test_sees_an_event_that_was_lost_or_made_up(self, books, right):
        lost = frozenset(list(right.applied)[1:])
        assert any("not applied" in d for d in differences(books, replace(right, applied=lost)))
        made_up = right.applied | {("tenant", "event")}
        assert any("unasked" in d for d in differences(books, replace(right, applied=made_up)))

    def test_sees_an_outbound_event_that_was_lost_made_up_or_changed(self, books, right):
        for published in (
            right.published[1:],
            [*right.published, replace(right.published[0], event_id="of my own")],
            [replace(right.published[0], amount="0.01"), *right.published[1:]],
            [*right.published, replace(right.published[0], amount="0.01")],
        ):
            found = differences(books, replace(right, published=published))
            assert any(line.startswith("outbound") for line in found)

    def test_sees_an_id_that_does_not_follow_from_its_cause(self, books, right):
        first = replace(right.published[0], event_id="d3b07384-d113-4ec6-a5d7-1f1e1f1e1f1e")
        wrong = replace(right, published=[first, *right.published[1:]])
        assert any("missing" in line for line in differences(books, wrong))

    def test_takes_repeats_of_published_events(self, books, right):
        assert differences(books, replace(right, published=right.published * 2)) == []

    def test_counts_duplicates_exactly_unless_the_transport_may_repeat(self, books, right):
        more = replace(right, duplicates=right.duplicates + 1)
        assert differences(books, more)
        assert differences(books, replace(more, at_least_once=True)) == []
        less = replace(right, duplicates=right.duplicates - 1, at_least_once=True)
        assert differences(books, less)

    def test_sees_a_dead_letter_of_another_reason(self, books, right):
        letters = right.dead_letters.copy()
        letters.subtract(["malformed"])
        letters.update(["unknown_type"])
        assert differences(books, replace(right, dead_letters=letters))

    def test_sees_a_receivable_that_is_not_what_its_invoices_say(self, books, right):
        key, invoice = next(
            (key, each) for key, each in right.invoices.items() if each.status == "open"
        )
        wrong = replace(right, invoices={**right.invoices, key: replace(invoice, paid=1)})
        assert any(line.startswith("receivable") for line in differences(books, wrong))

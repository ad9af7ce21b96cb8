"""A statement's proof, and the keys of its lines."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.statements.base import BadStatement, Line, Statement, keys_of, proved


def statement(*lines, opening=None, closing=None, account="KE59", asset="KES"):
    return Statement(account, asset, "1", "2026-03-01", "2026-03-31", opening, closing, lines)


def line(minor=500, day="2026-03-01", **values):
    return Line(day, day, minor, **values)


class TestAProof:
    def test_is_opening_and_lines_making_closing(self):
        good = statement(line(500), line(-200), opening=1_000, closing=1_300)
        assert proved(good) is good

    def test_fails_at_the_last_line_in_words_for_people(self):
        bad = statement(line(500, number=3), line(-200, number=7), opening=1_000, closing=1_301)
        with pytest.raises(BadStatement) as refused:
            proved(bad)
        assert (refused.value.reason, refused.value.number) == ("does_not_add_up", 7)
        assert str(refused.value) == (
            "does not add up (line or entry 7): 10.00 and the lines make 13.00, not 13.01"
        )

    def test_of_no_lines_is_that_nothing_changed(self):
        assert proved(statement(opening=5, closing=5))
        with pytest.raises(BadStatement) as refused:
            proved(statement(opening=5, closing=6))
        assert refused.value.number == 0

    @pytest.mark.parametrize(("opening", "closing"), [(None, None), (5, None), (None, 5)])
    def test_is_none_where_a_balance_is_missing(self, opening, closing):
        assert proved(statement(line(), opening=opening, closing=closing))


class TestKeys:
    def test_are_the_banks_reference_whatever_else_a_line_says(self):
        told = statement(line(bank_reference="FT1", text="a", party="x", number=2))
        again = statement(line(bank_reference="FT1", text="b", receipt="r", number=9))
        assert keys_of(told) == keys_of(again)

    def test_are_of_one_account(self):
        [one] = keys_of(statement(line(bank_reference="1"), account="A"))
        [other] = keys_of(statement(line(bank_reference="1"), account="B"))
        assert one != other

    def test_do_not_depend_on_how_an_account_is_spaced(self):
        told = line(bank_reference="1")
        assert keys_of(statement(told, account="KE59 0001 x")) == keys_of(
            statement(told, account="ke590001X")
        )

    def test_of_a_payment_and_its_fee_under_one_reference_are_two(self):
        keys = keys_of(
            statement(
                line(100_000, bank_reference="FT1"),
                line(-3_000, bank_reference="FT1"),
                line(-100_000, bank_reference="FT1"),
            )
        )
        assert len(set(keys)) == 3

    def test_of_a_fee_are_not_its_payments_in_a_file_that_has_the_fee_alone(self):
        fee = line(-3_000, bank_reference="FT1")
        _, key = keys_of(statement(line(100_000, bank_reference="FT1"), fee))
        assert keys_of(statement(fee)) == (key,)

    def test_of_a_standing_orders_reference_are_one_for_each_day(self):
        march = keys_of(statement(line(day="2026-03-01", bank_reference="SO")))
        april = keys_of(statement(line(day="2026-04-01", bank_reference="SO")))
        assert march != april

    def test_of_two_honest_equal_rows_are_two_and_the_same_in_a_later_file(self):
        equal = line(text="coffee")
        first = keys_of(statement(line(day="2026-02-28"), equal, equal))
        later = keys_of(statement(equal, equal, line(day="2026-03-02")))
        assert len(set(first)) == 3
        assert later[:2] == first[1:]

    def test_without_a_reference_are_of_all_that_a_line_says(self):
        told = line(receipt="R", reference="I", text="t")
        lines = [
            told,
            *(
                msgspec.structs.replace(told, **{name: other})
                for name, other in [
                    ("day", "2026-03-02"),
                    ("minor", 501),
                    ("receipt", "S"),
                    ("reference", "J"),
                    ("text", "u"),
                ]
            ),
        ]
        assert len(set(keys_of(statement(*lines)))) == 6

    def test_do_not_run_into_one_another(self):
        one = statement(line(receipt="ab", reference="c"))
        other = statement(line(receipt="a", reference="bc"))
        assert keys_of(one) != keys_of(other)

    @given(st.data())
    def test_of_a_day_are_the_same_in_every_file_that_has_it_in_any_order(self, data):
        lines = data.draw(
            st.lists(
                st.builds(
                    Line,
                    day=st.sampled_from(["2026-03-01", "2026-03-02", "2026-03-03"]),
                    value_day=st.just("2026-03-01"),
                    minor=st.integers(-2, 2),
                    bank_reference=st.sampled_from(["", "", "FT1", "FT2"]),
                    text=st.sampled_from(["", "a"]),
                ),
                max_size=12,
            )
        )
        days = data.draw(st.sets(st.sampled_from(["2026-03-01", "2026-03-02", "2026-03-03"])))
        other = data.draw(st.permutations([each for each in lines if each.day in days]))
        whole, part = keys_of(statement(*lines)), keys_of(statement(*other))
        assert len(set(whole)) == len(lines)
        assert set(part) == {
            key for key, each in zip(whole, lines, strict=True) if each.day in days
        }

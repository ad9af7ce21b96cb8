"""Laws of reading: what another program wrote reads back; what was changed does not add up."""

import dataclasses
import string

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.statements.base import BadStatement, keys_of
from connectors.statements.reading import read
from connectors.statements.rows import Columns
from tests.connectors.statements import writers
from tests.connectors.statements.writers import Row

COLUMNS = Columns(
    account=writers.ACCOUNT,
    asset="KES",
    day="Date",
    amount="Amount",
    bank_reference="Bank reference",
    receipt="Receipt",
    reference="Reference",
    party="Party",
    text="Text",
    balance="Balance",
)
DAYS = st.dates(min_value=writers.date(2000, 1, 1), max_value=writers.date(2099, 12, 31))
MINORS = st.one_of(st.integers(-(10**12), 10**12), st.integers(-200, 200))
REFERENCES = st.just("") | st.text(string.ascii_uppercase + string.digits, max_size=14).map(
    "R7".__add__
)
SWIFT = string.ascii_letters + string.digits + " .,()'"
"""Some of SWIFT's own characters, without those that mean something in :86:."""
VISIBLE = st.characters(exclude_categories=("C", "Z")) | st.just(" ")


def texts(characters, max_size=100):
    return st.text(characters, max_size=max_size).map(lambda text: " ".join(text.split()))


def listed(characters, party_size=50):
    row = st.builds(
        Row,
        day=DAYS.map(str),
        minor=MINORS,
        bank_reference=REFERENCES,
        receipt=REFERENCES,
        reference=REFERENCES,
        party=texts(characters, party_size),
        text=texts(characters),
    )
    return st.lists(row, max_size=8).map(lambda rows: sorted(rows, key=lambda row: row.day))


def told(lines):
    """Lines as the rows that were written."""
    return [
        Row(
            line.day,
            line.minor,
            line.bank_reference,
            line.receipt,
            line.reference,
            line.party,
            line.text,
        )
        for line in lines
    ]


def only(body, **values):
    [statement] = read(body, **values)
    return statement


class TestWhatWasWritten:
    @settings(max_examples=150, deadline=None)
    @given(
        listed(VISIBLE),
        st.integers(-(10**9), 10**9),
        st.sampled_from(["02", "04", "08", "14"]),
        st.sampled_from(["052", "053", "054"]),
    )
    def test_as_camt_reads_back(self, rows, opening, version, report):
        statement = only(writers.camt(rows, opening=opening, version=version, report=report))
        assert told(statement.lines) == rows
        if report != "054" and rows:
            assert statement.opening == opening
            assert statement.closing == opening + sum(row.minor for row in rows)

    @settings(max_examples=150, deadline=None)
    @given(listed(SWIFT), st.integers(-(10**9), 10**9), st.integers(0, 3))
    def test_as_mt940_reads_back_on_any_number_of_pages(self, rows, opening, page_rows):
        statement = only(writers.mt940(rows, opening=opening, page_rows=page_rows))
        assert told(statement.lines) == [
            dataclasses.replace(row, text=row.text or "PAYMENT") for row in rows
        ]
        assert (statement.opening, statement.number) == (opening, "00001")
        assert statement.closing == opening + sum(row.minor for row in rows)

    @settings(max_examples=150, deadline=None)
    @given(listed(VISIBLE), st.sampled_from([1, 2]))
    def test_as_ofx_reads_back(self, rows, version):
        statement = only(writers.ofx(rows, version=version))
        assert told(statement.lines) == [dataclasses.replace(row, receipt="") for row in rows]
        assert statement.closing == writers.OPENING + sum(row.minor for row in rows)

    @settings(max_examples=150, deadline=None)
    @given(listed(VISIBLE), st.booleans(), st.sampled_from([(".", ","), (",", ";")]))
    def test_as_csv_reads_back_in_either_order(self, rows, newest_first, marks):
        mark, delimiter = marks
        body = writers.table(rows, newest_first=newest_first, mark=mark, delimiter=delimiter)
        columns = msgspec.structs.replace(COLUMNS, decimal_mark=mark, delimiter=delimiter)
        statement = only(body, kind="csv", columns=columns)
        assert told(statement.lines) == (rows[::-1] if newest_first else rows)
        if rows and rows[0].day != rows[-1].day:
            assert statement.opening == writers.OPENING
            assert statement.closing == writers.OPENING + sum(row.minor for row in rows)

    @pytest.mark.parametrize("count", [0, 1, 50])
    def test_from_a_seed_is_the_same_in_every_format(self, count):
        rows = writers.rows(count, seed=7)
        expected = [(row.day, row.minor, row.bank_reference) for row in rows]
        for body in (
            writers.camt(rows),
            writers.mt940(rows),
            writers.ofx(rows),
            writers.table(rows),
        ):
            lines = only(body, columns=COLUMNS).lines
            assert [(line.day, line.minor, line.bank_reference) for line in lines] == expected


class TestOneAmountChanged:
    @settings(max_examples=200, deadline=None)
    @given(st.data())
    @pytest.mark.parametrize("write", [writers.camt, writers.mt940])
    def test_does_not_add_up(self, write, data):
        rows = data.draw(listed(SWIFT).filter(bool))
        at = data.draw(st.integers(0, len(rows) - 1))
        change = data.draw(MINORS.filter(bool))
        closing = writers.OPENING + sum(row.minor for row in rows)
        rows[at] = dataclasses.replace(rows[at], minor=rows[at].minor + change)
        with pytest.raises(BadStatement, match="does not add up"):
            read(write(rows, closing=closing))

    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(st.integers(1, 10**9), min_size=2, max_size=12), st.integers(1, 10**9), st.data()
    )
    def test_of_running_balances_is_found_by_its_line(self, minors, other, data):
        """Money that only comes, so that no other order of the rows explains them."""
        at = data.draw(st.integers(1, len(minors) - 1))
        rows = [Row("2026-03-01", minor, text=f"t{place}") for place, minor in enumerate(minors)]
        changed = [*rows]
        changed[at] = dataclasses.replace(rows[at], minor=other + (other >= minors[at]))
        written = writers.table(rows).decode().split("\r\n")
        amounts = (f'"{writers.signed(each[at].minor)}"' for each in (rows, changed))
        written[at + 1] = written[at + 1].replace(*amounts, 1)
        with pytest.raises(BadStatement, match="does not add up") as refused:
            read("\r\n".join(written).encode(), columns=COLUMNS)
        assert refused.value.number == at + 2


class TestKeys:
    @settings(max_examples=100, deadline=None)
    @given(listed(SWIFT), st.sampled_from(["camt", "mt940", "ofx", "csv"]))
    def test_of_a_line_are_the_same_in_a_file_of_its_days_alone(self, rows, kind):
        write = {
            "camt": writers.camt,
            "mt940": writers.mt940,
            "ofx": writers.ofx,
            "csv": writers.table,
        }[kind]
        days = {row.day for row in rows[::2]}
        part = [row for row in rows if row.day in days]
        whole = only(write(rows), kind=kind, columns=COLUMNS) if rows else None
        if whole is None:
            return
        keys = keys_of(whole)
        assert len(set(keys)) == len(rows)
        of_part = keys_of(only(write(part), kind=kind, columns=COLUMNS))
        assert list(of_part) == [
            key for key, line in zip(keys, whole.lines, strict=True) if line.day in days
        ]

    def test_of_camt_052_and_053_are_the_same(self):
        rows = writers.rows(20)
        intraday = only(writers.camt(rows[10:], report="052", opening=7))
        assert keys_of(only(writers.camt(rows)))[10:] == keys_of(intraday)

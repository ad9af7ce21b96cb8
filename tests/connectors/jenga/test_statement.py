"""A statement: from bytes written by hand, from the fake's pages, and by law."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Ambiguous, Refused
from connectors.callbacks import Row
from connectors.jenga import statement
from connectors.jenga.config import Config
from connectors.jenga.fake import Fault
from connectors.jenga.statement import Line
from connectors.reading import Unreadable
from tests.connectors.jenga.test_signature import CONFIGURATION
from tests.connectors.jenga.wire import STATEMENT

CONFIG = Config.read(CONFIGURATION)
DAYS = ("2026-03-01", "2026-03-31")
AT = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)


def line(number: int, minor: int, running: int | None, at: str = "") -> Line:
    row = Row("2026-03-01", "2026-03-01", minor, f"S{number}", f"S{number}", "", "", "")
    return Line(row, running, {"serial": number, "postedDateTime": at})


def chain(opening: int, amounts: list[int], *, times: bool = True) -> list[Line]:
    lines, running = [], opening
    for number, minor in enumerate(amounts):
        running += minor
        lines.append(line(number, minor, running, f"2026-03-01T{number:05d}" if times else ""))
    return lines


class TestAPage:
    def test_is_rows_with_a_sign_and_days_and_the_banks_words(self):
        page = statement.page_of(STATEMENT)
        assert (page.account, page.asset) == ("0011547896523", "KES")
        assert [each.row for each in page.lines] == [
            Row(
                *("2026-03-01", "2026-03-01", 100_000, "S5436001/1", "S5436001"),
                *("", "", "RENT HOUSE 4"),
            ),
            Row("2026-03-03", "2026-03-02", -4_450, "S5436002/2", "S5436002", "", "", "CHARGE"),
        ]
        assert [each.running for each in page.lines] == [114_457, 110_007]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (b'"amount":1000,', b'"amount":-1000,'),
            (b'"amount":1000,', b'"amount":1000.001,'),
            (b'"amount":1000,', b""),
            (b'"type":"Debit"', b'"type":"Other"'),
            (b'"date":"2026-03-02T00:00:00.000"', b'"date":"March"'),
            (b'"transactions"', b'"other"'),
            (b'"currency":"KES","accountNumber"', b'"accountNumber"'),
            (b'{"reference":"S5436002"', b'1,{"reference":"S5436002"'),
        ],
    )
    def test_with_a_row_that_cannot_be_read_is_none_at_all(self, before, after):
        assert before in STATEMENT
        with pytest.raises(Unreadable):
            statement.page_of(STATEMENT.replace(before, after, 1))

    def test_is_gone_on_from_with_the_last_rows_own_words(self):
        [_, last] = statement.page_of(STATEMENT).lines
        question = statement.page_question(CONFIG, *DAYS, last)
        assert question.path == "/v3-apis/account-api/v3.0/accounts/fullStatement"
        assert dict(question.body) == {
            "countryCode": "KE",
            "accountNumber": "0011547896523",
            "fromDate": "2026-03-01",
            "toDate": "2026-03-31",
            "limit": 50,
            "reference": "S5436002",
            "serial": "2",
            "postedDateTime": "2026-03-03T08:00:00.000",
            "date": "2026-03-02T00:00:00.000",
            "runningBalance": {"currency": "KES", "amount": "1100.07"},
        }


class TestTogether:
    @given(
        st.integers(-(10**12), 10**12),
        st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20),
        st.booleans(),
    )
    def test_rows_are_the_oldest_first_and_add_up_whichever_end_came_first(
        self, opening, amounts, newest_first
    ):
        lines = chain(opening, amounts)
        came = lines[::-1] if newest_first else lines
        rows = statement.whole(CONFIG, "KES", *DAYS, came)
        assert rows.rows == tuple(each.row for each in lines)
        assert rows.opening_minor == opening
        assert rows.closing_minor == opening + sum(amounts)

    def test_two_rows_that_undo_each_other_are_told_apart_by_their_times_alone(self):
        timed, untimed = chain(10_000, [500, -500]), chain(10_000, [500, -500], times=False)
        for came in (timed, timed[::-1]):
            assert statement.whole(CONFIG, "KES", *DAYS, came).opening_minor == 10_000
        rows = statement.whole(CONFIG, "KES", *DAYS, untimed)
        assert (rows.opening_minor, rows.closing_minor, len(rows.rows)) == (None, None, 2)

    @pytest.mark.parametrize(
        "lines", [[], [line(1, 5, None)], [line(1, 5, 105), line(2, 5, 111)]], ids=len
    )
    def test_what_does_not_add_up_has_its_rows_and_no_balances(self, lines):
        rows = statement.whole(CONFIG, "KES", *DAYS, lines)
        assert (rows.opening_minor, rows.closing_minor) == (None, None)
        assert rows.rows == tuple(each.row for each in lines)

    def test_the_same_rows_are_the_same_event(self):
        lines = chain(0, [1, 2])
        first = statement.whole(CONFIG, "KES", *DAYS, lines)
        assert statement.whole(CONFIG, "KES", *DAYS, lines[::-1]).event_id == first.event_id
        assert statement.whole(CONFIG, "KES", *DAYS, lines[:1]).event_id != first.event_id


@pytest.fixture
def booked(fake):
    """A hundred and twenty bookings, some alike, in one day."""
    fake._now = lambda: AT
    fake.accounts[fake.account].opening = 100_000
    for number in range(120):
        fake.book(-500 if number % 3 else 2_000, "the same text")
    return fake


async def asked(jenga, first="2026-03-01", last="2026-03-31"):
    acted = await jenga.act("statement", "", {"from": first, "to": last})
    [rows] = acted.heard
    return acted.says, rows


class TestPages:
    @pytest.mark.parametrize("inclusive", [True, False])
    @pytest.mark.parametrize("newest_first", [True, False])
    @pytest.mark.parametrize("cap", [7, 40, 1_000])
    async def test_hold_every_row_once_however_they_come(
        self, booked, jenga, inclusive, newest_first, cap
    ):
        booked.inclusive, booked.newest_first, booked.cap = inclusive, newest_first, cap
        says, rows = await asked(jenga)
        assert [row.bank_reference for row in rows.rows] == [
            f"S{1_000_001 + number}/{number + 1}" for number in range(120)
        ]
        assert (rows.opening_minor, rows.closing_minor) == (100_000, 140_000)
        assert (says["found"], says["opening"], says["closing"]) == (120, "1000.00", "1400.00")

    async def test_of_other_days_are_not_asked_for(self, booked, jenga):
        _, rows = await asked(jenga, "2026-03-02", "2026-03-05")
        assert (rows.rows, rows.opening_minor, rows.closing_minor) == ((), None, None)
        assert (rows.from_day, rows.to_day, rows.asset) == ("2026-03-02", "2026-03-05", "KES")

    async def test_that_begin_anew_are_no_statement(self, booked, jenga):
        booked.deaf = True
        with pytest.raises(Ambiguous, match="anew"):
            await asked(jenga)

    async def test_that_begin_anew_are_whole_when_one_has_all(self, fake, jenga):
        fake._now = lambda: AT
        fake.deaf = True
        for _ in range(3):
            fake.book(100)
        _, rows = await asked(jenga)
        assert len(rows.rows) == 3

    async def test_of_more_rows_than_a_person_asks_for_are_refused_and_not_cut(
        self, booked, jenga, monkeypatch
    ):
        monkeypatch.setattr(statement, "ROWS_MAX", 60)
        with pytest.raises(Refused) as refused:
            await asked(jenga)
        assert refused.value.failure == "too_many_rows"

    async def test_of_amounts_in_text_are_the_same(self, session):
        from connectors.jenga.connector import build
        from connectors.jenga.fake import FakeJenga

        async with FakeJenga(account="0011547896999", now=lambda: AT) as fake:
            fake.book(12_345)
            _, rows = await asked(build(session, fake.configuration))
        assert [row.minor for row in rows.rows] == [12_345]
        assert rows.closing_minor == 12_345

    async def test_of_which_one_breaks_are_no_statement(self, booked, jenga):
        booked.faults.extend([Fault(), Fault(drop=True)])
        with pytest.raises(Ambiguous):
            await asked(jenga)

    async def test_are_signed_each_and_end_with_one_that_adds_nothing(self, booked, jenga):
        await asked(jenga)
        pages = [path for _, path in booked.requests if path.endswith("fullStatement")]
        assert len(pages) == 4

    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"from": "2026-03-01"},
            {"from": "1/3/2026", "to": "x"},
            dict(zip(("to", "from"), DAYS, strict=True)),
        ],
    )
    async def test_of_no_days_are_refused_unsent(self, fake, jenga, values):
        with pytest.raises(Refused) as refused:
            await jenga.act("statement", "", values)
        assert refused.value.failure == "day_unfit"
        assert fake.requests == []


def test_a_day_of_the_fake_is_of_nairobi(fake):
    """A booking late in the evening of UTC is of the next day."""
    fake._now = lambda: AT + timedelta(hours=16)
    assert fake.book(1)["at"].isoformat()[:10] == "2026-03-02"

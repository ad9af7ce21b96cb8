"""Statements of an account that do not go on from each other."""

import pytest

from tests.web.desk import project
from tests.web.test_statements import send
from web.api.statement_gaps import Told, gaps


def told(statement_id, from_day, to_day, opening, closing):
    return Told(
        statement_id, "KES", f"2026-01-{from_day:02}", f"2026-01-{to_day:02}", opening, closing
    )


def found(*rows):
    by_day = sorted(rows, key=lambda row: (row.to_day, row.from_day))
    return [(gap.before.statement_id, gap.after.statement_id, gap.minor) for gap in gaps(by_day)]


ONE, TWO = told("1", 1, 1, 0, 500), told("2", 2, 2, 500, 700)
THREE, FIVE = told("3", 3, 3, 700, 650), told("5", 5, 5, 600, 900)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([ONE], []),
        ([ONE, TWO, THREE], []),
        ([ONE, THREE], [("1", "3", 200)]),
        ([ONE, TWO, THREE, FIVE], [("3", "5", -50)]),
        ([ONE, told("w", 2, 2, None, None), THREE], [("1", "3", 200)]),
        ([told("all", 1, 5, 0, 900), ONE, THREE, FIVE], []),
        ([told("all", 1, 5, 0, 900), told("6", 6, 6, 901, 901)], [("all", "6", 1)]),
        ([ONE, told("a", 2, 2, 500, 600), told("b", 2, 2, 600, 700), THREE], []),
        ([ONE, told("b", 2, 2, 600, 700), THREE], [("1", "b", 100)]),
        ([TWO, told("2 again", 2, 2, 500, 700), ONE], []),
    ],
)
def test_of_statements(rows, expected):
    assert found(*rows) == expected


def test_of_many_statements():
    many = [Told(str(n), "KES", f"{n:05}", f"{n:05}", n, n + 1) for n in range(20_000)]
    assert list(gaps(many[:9_000] + many[9_001:])) == [(many[8_999], many[9_001])]


CSV = "Date,Amount,Balance,Ref\n{day}/01/2026,{amount},{balance},FT{day}\n"
COLUMNS = "day=Date&amount=Amount&balance=Balance&bank_reference=Ref&day_format=%25d/%25m/%25Y"


class TestOverHttp:
    async def test_are_shown_with_both_balances(self, listed, desk, database):
        for day, amount, balance in (("01", "10.00", "10.00"), ("03", "5.00", "17.00")):
            body = CSV.format(day=day, amount=amount, balance=balance)
            assert (await send(listed, body, f"account=bank:kcb&{COLUMNS}")).status == 200
        await project(desk, database)
        [gap] = (await listed.get("/api/v1/alpha/statement-gaps?account=bank:kcb")).json["data"]
        assert (gap["to_day"], gap["closing"]) == ("2026-01-01", "10.00")
        assert (gap["from_day"], gap["opening"], gap["amount"]) == ("2026-01-03", "12.00", "2.00")
        other = await listed.get("/api/v1/alpha/statement-gaps?account=bank:equity")
        assert other.json["data"] == []

    async def test_are_of_all_accounts_if_none_is_named(self, listed, desk, database):
        for account in ("bank:kcb", "bank:equity"):
            for day, amount, balance in (("01", "10.00", "10.00"), ("03", "5.00", "17.00")):
                body = CSV.format(day=day, amount=amount, balance=balance)
                await send(listed, body, f"account={account}&{COLUMNS}")
        await project(desk, database)
        found = (await listed.get("/api/v1/alpha/statement-gaps")).json["data"]
        assert [gap["account"] for gap in found] == ["bank:equity", "bank:kcb"]

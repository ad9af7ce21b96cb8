"""What parties owe and are owed, by age, from documents on several days."""

import csv
import io

import pytest

from tests.web.desk import project
from tests.web.test_lists import walk

PARTIES = "/api/v1/alpha/parties"


@pytest.fixture
async def filled(listed, desk, database):
    """On 2026-01-01: claims of several ages on c1 and c2, a bill of s, a payee, a credit."""
    ages = {"c1": ("2026-01-01", "2025-12-31", "2025-12-02", "2025-12-01"), "c2": ("2025-10-03",)}
    number = 0
    for customer_id, days in ages.items():
        for day in (*days, "2025-10-02"):
            number += 1
            order = {"order_id": f"o{number}", "total_amount": f"{number}00.00"}
            await desk.hear("cafe.order.created", customer_id=customer_id, due_date=day, **order)
    await desk.hear("cafe.order.created", order_id="walk-in", total_amount="5.00")
    await desk.hear(
        "cafe.order.created", order_id="u", customer_id="c1", total_amount="7.50", currency="USD"
    )
    bill = {"supplier_id": "s", "number": "1", "amount": "900.00", "category": "rent"}
    assert (await listed.command("/alpha/bills", bill, key="bill")).status == 201
    await desk.hear(
        "logistics.earnings.calculated", payee_id="r", period="w1", gross_amount="800.00"
    )
    await desk.hear("cafe.order.created", "beta", order_id="b", customer_id="c1", total_amount="9")
    await project(desk, database)
    return listed


async def lines(api, path=PARTIES):
    rows = (await api.get(path)).json["data"]
    return {(row["party_id"], row["currency"]): row for row in rows}


def ages(row, side="receivable"):
    names = ("not_due", "days_1_30", "days_31_60", "days_61_90", "days_over_90")
    return [row[f"{side}_{name}"] for name in names]


class TestParties:
    async def test_are_aged_by_day_at_each_border(self, filled):
        found = await lines(filled)
        # Due today, and 1, 30, 31 and 91 days ago; then 90 and 91.
        assert ages(found["c1", "KES"]) == ["100.00", "500.00", "400.00", "0.00", "500.00"]
        assert ages(found["c2", "KES"]) == ["0.00", "0.00", "0.00", "600.00", "700.00"]

    async def test_ages_sum_to_what_is_open_and_that_is_receivable(self, filled):
        rows = (await lines(filled)).values()
        for row in rows:
            for side in ("receivable", "payable"):
                parts = sum(int(text.replace(".", "")) for text in ages(row, side))
                assert parts == int(row[side].replace(".", ""))
        claims = sum(
            int(row["receivable"].replace(".", "")) for row in rows if row["currency"] == "KES"
        )
        answer = await filled.get("/api/v1/alpha/balances?account=receivable&currency=KES")
        [balance] = answer.json["data"]
        assert claims == int(balance["balance"]["amount"].replace(".", ""))

    async def test_have_a_line_for_each_currency_and_one_for_nobody(self, filled):
        found = await lines(filled)
        assert found["c1", "USD"]["receivable"] == "7.50"
        assert found["", "KES"]["receivable"] == "5.00"
        assert found["s", "KES"]["payable"] == "900.00"
        assert found["r", "KES"]["earnings"] == "800.00"

    async def test_pages_show_every_line_once(self, filled):
        whole = (await filled.get(PARTIES)).json["data"]
        assert len(whole) == 6
        for limit in (1, 2, 5):
            assert await walk(filled, PARTIES, limit) == whole

    async def test_as_csv(self, filled):
        answer = await filled.get(f"{PARTIES}?format=csv")
        rows = list(csv.DictReader(io.StringIO(answer.raw.decode())))
        assert rows[1]["party_id"] == "c1"
        assert rows[1]["receivable_days_over_90"] == "500.00"

    async def test_paid_ones_are_gone_from_the_list(self, filled, desk, database):
        credit = {"amount": "7.50"}
        [invoice] = (await filled.get("/api/v1/alpha/invoices?order_id=u")).json["data"]
        path = f"/alpha/invoices/{invoice['invoice_id']}/credit"
        assert (await filled.command(path, credit, key="credit")).status == 200
        await project(desk, database)
        assert ("c1", "USD") not in await lines(filled)


class TestOne:
    async def test_has_all_its_currencies(self, filled):
        answer = (await filled.get(f"{PARTIES}/c1")).json
        assert (answer["party_id"], answer["as_of"]) == ("c1", "2026-01-01")
        assert [row["currency"] for row in answer["data"]] == ["KES", "USD"]
        assert answer["data"] == [row for k, row in (await lines(filled)).items() if k[0] == "c1"]

    async def test_with_nothing_open_has_no_line(self, filled, desk, database):
        await desk.hear("cafe.order.created", order_id="p", customer_id="c9", total_amount="1.00")
        await project(desk, database)
        [invoice] = (await filled.get("/api/v1/alpha/invoices?party=c9")).json["data"]
        path = f"/alpha/invoices/{invoice['invoice_id']}/void"
        assert (await filled.command(path, {}, key="void")).status == 200
        await project(desk, database)
        assert (await filled.get(f"{PARTIES}/c9")).json["data"] == []

    async def test_nobody_knows_is_404(self, filled):
        answer = await filled.get(f"{PARTIES}/c77")
        assert (answer.status, answer.code) == (404, "not-found")

"""Balances and accounts as the owner has them."""

import pytest

from tables.balances import Balance

BALANCES = "/api/v1/alpha/balances"


@pytest.fixture
async def sold(desk):
    """An invoice over 1500.00, of which a till took 1000.00; and dollars."""
    await desk.hear("cafe.order.created", order_id="o1", total_amount="1500.00")
    await desk.hear("pos.order.completed", order_id="o2", total_amount="1000.00")
    await desk.hear("cafe.order.created", order_id="o3", total_amount="7.25", currency="USD")
    await desk.hear("cafe.order.created", "beta", order_id="o1", total_amount="99.00")


class TestBalances:
    async def test_stand_on_the_normal_side_as_decimal_text(self, api, sold):
        rows = {
            (row["account"], row["currency"]): row for row in (await api.get(BALANCES)).json["data"]
        }
        receivable = rows["receivable", "KES"]
        assert receivable["normal_side"] == "debit"
        assert receivable["balance"] == {"amount": "1500.00", "currency": "KES"}
        revenue = rows["revenue:cafe", "KES"]
        assert revenue["normal_side"] == "credit"
        assert revenue["credits"] == revenue["balance"] == revenue["available"]
        assert rows["receivable", "USD"]["balance"] == {"amount": "7.25", "currency": "USD"}

    async def test_are_a_table_too(self, api, sold):
        answer = await api.get(f"{BALANCES}?format=csv&account=receivable")
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.raw.decode().splitlines() == [
            (
                "account,currency,normal_side,debits,credits,balance,"
                "pending_debits,pending_credits,available"
            ),
            "receivable,KES,debit,1500.00,0.00,1500.00,0.00,0.00,1500.00",
            "receivable,USD,debit,7.25,0.00,7.25,0.00,0.00,7.25",
        ]

    async def test_of_debit_and_credit_accounts_are_equal(self, api, sold):
        rows = (await api.get(f"{BALANCES}?currency=KES")).json["data"]
        debits = sum(int(row["debits"]["amount"].replace(".", "")) for row in rows)
        assert debits == sum(int(row["credits"]["amount"].replace(".", "")) for row in rows) > 0

    async def test_narrow_to_an_account_prefix_and_a_currency(self, api, sold):
        rows = (await api.get(f"{BALANCES}?account=revenue:&currency=KES")).json["data"]
        assert {row["account"] for row in rows} == {"revenue:cafe", "revenue:pos"}
        assert {row["currency"] for row in rows} == {"KES"}

    async def test_say_where_in_the_journal_they_stand(self, api, sold, desk):
        position = (await api.get(BALANCES)).json["position"]
        assert position == {"partition": 0, "seq": len(desk.batches)}

    async def test_leave_out_what_holds_may_take_away(self, api, desk):
        row = Balance("alpha", "gateway:mpesa:payout", "KES", 1000, 200, 50, 300, 4)
        desk.working.put(row.key, row)
        (shown,) = (await api.get(f"{BALANCES}?account=gateway:mpesa:payout")).json["data"]
        assert shown["balance"]["amount"] == "8.00"
        assert shown["pending_credits"]["amount"] == "3.00"
        assert shown["available"]["amount"] == "5.00"

    async def test_beyond_sixty_four_bits_stay_exact(self, api, desk):
        row = Balance("alpha", "wallet", "ETH", 10**40 + 1, 0)
        desk.working.put(row.key, row)
        (shown,) = (await api.get(f"{BALANCES}?account=wallet")).json["data"]
        assert shown["balance"]["amount"] == "1" + "0" * 22 + "." + "0" * 17 + "1"

    async def test_more_than_fit_say_so(self, api, desk):
        for number in range(1001):
            row = Balance("alpha", f"many:{number:04}", "KES", 1, 0)
            desk.working.put(row.key, row)
        answer = (await api.get(f"{BALANCES}?account=many:")).json
        assert (len(answer["data"]), answer["has_more"]) == (1000, True)

    async def test_of_a_recovering_partition_are_503(self, api, desk):
        desk.recovering = True
        answer = await api.get(BALANCES)
        assert (answer.status, answer.code) == (503, "not-serving")

    async def test_that_cannot_be_committed_now_are_503_in_time(self, hasty, sold, desk):
        desk.stuck = True
        answer = await hasty.get(BALANCES)
        assert (answer.status, answer.code) == (503, "not-serving")
        assert answer.headers["Retry-After"] == "1"

    @pytest.mark.parametrize(
        "query", ["accounts=x", "account=a&account=b", "limit=5", "account=a%00", "account=a%0A"]
    )
    async def test_refuse_parameters_they_do_not_know(self, api, query):
        assert (await api.get(f"{BALANCES}?{query}")).status == 400


class TestAccounts:
    async def test_are_listed_once_with_all_their_currencies(self, api, sold):
        rows = (await api.get("/api/v1/alpha/accounts")).json["data"]
        names = [row["account"] for row in rows]
        assert names == sorted(set(names))
        receivable = next(row for row in rows if row["account"] == "receivable")
        assert [row["currency"] for row in receivable["balances"]] == ["KES", "USD"]

    async def test_one_is_found_by_its_whole_name(self, api, sold):
        answer = await api.get("/api/v1/alpha/accounts/revenue:cafe")
        assert answer.json["account"] == "revenue:cafe"
        assert answer.json["normal_side"] == "credit"

    @pytest.mark.parametrize("name", ["revenue", "nothing", "receivable%00KES", "receivabl"])
    async def test_an_unknown_name_is_404(self, api, sold, name):
        answer = await api.get(f"/api/v1/alpha/accounts/{name}")
        assert (answer.status, answer.code) == (404, "not-found")

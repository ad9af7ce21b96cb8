"""Lists from the read models: filters, pages that neither skip nor repeat, other tenants' rows."""

import asyncio
import csv
import io
import json
import re
from dataclasses import replace

import pytest

from tests.web.conftest import HASTY
from tests.web.desk import project
from web.routes import ROUTES

INTENTS = "/api/v1/alpha/payments/intents"
INVOICES = "/api/v1/alpha/invoices"
ENTRIES = "/api/v1/alpha/entries"


@pytest.fixture
async def filled(listed, desk, database):
    """Seven intents and five invoices of alpha, three of which share a moment; one of beta."""
    for number in range(7):
        about = {"order_id": f"o{number}", "customer_id": f"c{number % 2}"}
        body = {"amount": f"{number + 1}.00", "metadata": {"till": str(number % 3)}, **about}
        assert (await listed.command("/payments/intents", body, key=f"k{number}")).status == 201
    for number in range(5):
        await desk.hear(
            "cafe.order.created",
            order_id=f"o{number}",
            total_amount=f"10{number}.00",
            customer_id=f"c{number % 2}",
            due_date=f"2026-02-0{number + 1}",
        )
    await desk.hear("cafe.order.created", "beta", order_id="o1", total_amount="99.00")
    await project(desk, database)
    await database.owner.execute(
        """UPDATE resources SET created_at = '2025-12-31T12:00:00.000123Z'
           WHERE tenant_id = 'alpha' AND kind = 'pi' AND body ->> 'amount' IN ('200', '300', '400')
        """
    )
    return listed


async def walk(api, path, limit):
    """All rows of a list, page by page, following its links."""
    rows, url = [], f"{path}{'&' if '?' in path else '?'}limit={limit}"
    while url:
        answer = await api.get(url)
        assert answer.status == 200, answer.raw
        assert len(answer.json["data"]) <= limit
        rows += answer.json["data"]
        assert len(rows) < 100, "a list that never ends"
        link = answer.headers.get("Link")
        assert (link is not None) == answer.json["has_more"]
        assert (answer.json["next_cursor"] is not None) == answer.json["has_more"]
        url = re.fullmatch(r'<(.+)>; rel="next"', link)[1] if link else None
    return rows


class TestPages:
    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 100])
    async def test_of_any_size_show_every_row_once(self, filled, limit):
        whole = (await filled.get(INTENTS)).json["data"]
        assert len(whole) == 7
        assert await walk(filled, INTENTS, limit) == whole

    @pytest.mark.parametrize("limit", [1, 4])
    async def test_of_entries_show_every_row_once(self, filled, limit):
        whole = (await filled.get(f"{ENTRIES}?limit=100")).json["data"]
        assert len(whole) == 13
        assert await walk(filled, ENTRIES, limit) == whole

    async def test_keep_their_filters(self, filled):
        rows = await walk(filled, f"{INTENTS}?customer_id=c0", 1)
        assert [row["customer_id"] for row in rows] == ["c0"] * 4

    async def test_do_not_shift_when_rows_come(self, filled, desk, database):
        first = (await filled.get(f"{INTENTS}?limit=3")).json
        await filled.command("/payments/intents", {"amount": "50.00"}, key="late")
        await project(desk, database)
        rest = await filled.get(f"{INTENTS}?limit=100&cursor={first['next_cursor']}")
        amounts = [row["amount"] for row in first["data"] + rest.json["data"]]
        assert sorted(amounts) == [f"{number}.00" for number in range(1, 8)]

    async def test_come_twenty_five_at_a_time_by_default(self, filled, desk, database):
        for number in range(30):
            await desk.hear("cafe.order.created", order_id=f"x{number}", total_amount="1.00")
        await project(desk, database)
        answer = (await filled.get(INVOICES)).json
        assert (len(answer["data"]), answer["has_more"]) == (25, True)

    @pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "x", "", "٣", "9" * 50])
    async def test_of_another_size_are_refused(self, filled, limit):
        answer = await filled.get(f"{INTENTS}?limit={limit}")
        assert (answer.status, answer.code) == (400, "bad-parameter")


class TestCursors:
    async def test_of_another_list_filter_or_tenant_are_refused(self, filled):
        cursor = (await filled.get(f"{INTENTS}?limit=1")).json["next_cursor"]
        token = filled.token("beta")
        for path in (f"{INVOICES}?", f"{ENTRIES}?", f"{INTENTS}?order_id=o1&"):
            answer = await filled.get(f"{path}cursor={cursor}")
            assert (answer.status, answer.code) == (400, "bad-cursor")
        path = f"/api/v1/beta/payments/intents?cursor={cursor}"
        assert (await filled.get(path, token=token)).code == "bad-cursor"

    @pytest.mark.parametrize("cursor", ["", "x", "%00", "A" * 4000, "%ff", "' OR 1=1 --"])
    async def test_made_up_are_refused(self, filled, cursor):
        answer = await filled.get(f"{INTENTS}?cursor={cursor}")
        assert answer.status == 400


class TestFilters:
    async def test_of_intents(self, filled):
        async def count(query):
            return len((await filled.get(f"{INTENTS}?{query}")).json["data"])

        assert await count("status=requires_action") == 7
        assert await count("status=succeeded") == 0
        assert await count("order_id=o1") == 1
        assert await count("customer_id=c1") == await count("party=c1") == 3
        assert await count("customer_id=c1&order_id=o0") == 0
        assert await count("metadata=till:0") == 3
        assert await count("metadata=till:9") == await count("metadata=table:0") == 0
        assert await count("metadata=till:0&order_id=o3") == 1
        assert await count("created_from=2026-01-01&created_to=2026-01-01") == 4
        assert await count("created_from=2026-01-02") == 0
        assert await count("created_to=2025-12-31") == 3
        assert await count("created_to=2025-12-31T12:00:00Z") == 0
        assert await count("created_from=2025-12-31T12:00:00Z") == 7
        assert await count("created_to=2025-12-31T15:00:01%2B03:00") == 3

    async def test_of_invoices(self, filled):
        async def orders(query):
            rows = (await filled.get(f"{INVOICES}?{query}")).json["data"]
            return sorted(row["order_id"] for row in rows)

        assert await orders("order_id=o2") == ["o2"]
        assert await orders("customer_id=c1") == ["o1", "o3"]
        assert await orders("due_from=2026-02-02&due_to=2026-02-04") == ["o1", "o2", "o3"]
        assert await orders("status=paid") == []

    async def test_of_entries(self, filled):
        async def events(query):
            rows = (await filled.get(f"{ENTRIES}?limit=100&{query}")).json["data"]
            return {row["event_type"] for row in rows}

        assert await events("account=receivable") == {"cafe.order.created"}
        assert await events("account=nothing") == set()
        assert await events("event_type=auth.tenant.created") == {"auth.tenant.created"}
        assert await events("status=rejected") == set()
        assert await events("from=2026-01-02") == set()
        assert len(await events("to=2026-01-01")) == 3

    async def test_of_entries_that_wait(self, filled, desk, database):
        async def events(query):
            await project(desk, database)
            rows = (await filled.get(f"{ENTRIES}?{query}")).json["data"]
            return [row["event_id"] for row in rows]

        changed = {"outlet_id": "kiosk", "name": "Kiosk at the gate"}
        for _ in range(2):
            await desk.hear("auth.outlet.updated", event_id="early", **changed)
        assert await events("waiting=true") == await events("status=parked") == ["early"]
        assert await events("waiting=true&event_type=cafe.order.created") == []
        await desk.hear("auth.outlet.created", outlet_id="kiosk", name="Kiosk")
        await desk.hear("cafe.order.created", order_id="next", total_amount="1.00")
        assert await events("waiting=true") == []
        assert await events("status=parked") == ["early"]
        assert (await filled.get(f"{ENTRIES}?waiting=false")).status == 400

    @pytest.mark.parametrize(
        "query",
        [
            "statu=paid",
            "status=a&status=b",
            "created_from=yesterday",
            "created_from=2026-01-01T00:00:00",
            "created_from=0000-00-00",
            "created_to=9999-12-31",
            "order_id=%00",
            "metadata=till",
            "metadata=:0",
            "order_id=a%0Ab",
            "order_id=" + "o" * 257,
            "__proto__=1",
        ],
    )
    async def test_misspelt_or_misshapen_are_refused(self, filled, query):
        answer = await filled.get(f"{INTENTS}?{query}")
        assert answer.status == 400

    @pytest.mark.parametrize(
        "text", ["' OR '1'='1", "%25", "%ff%fe", "o1'; DROP TABLE resources; --", "$1"]
    )
    async def test_are_values_and_never_sql(self, filled, text):
        answer = await filled.get(f"{INTENTS}?order_id={text}")
        assert answer.json["data"] == []


class TestTenants:
    async def test_see_their_own_rows_alone(self, filled):
        token = filled.token("beta")
        invoices = await filled.get("/api/v1/beta/invoices", token=token)
        assert [row["amount"] for row in invoices.json["data"]] == ["99.00"]
        assert (await filled.get("/api/v1/beta/payments/intents", token=token)).json["data"] == []
        entries = await filled.get("/api/v1/beta/entries", token=token)
        assert len(entries.json["data"]) == 2

    async def test_get_404_for_anothers_invoice_and_event(self, filled):
        invoice = (await filled.get(INVOICES)).json["data"][0]["invoice_id"]
        event = (await filled.get(ENTRIES)).json["data"][0]["event_id"]
        token = filled.token("beta")
        for path in (f"invoices/{invoice}", f"entries/{event}", f"events/{event}"):
            assert (await filled.get(f"/api/v1/alpha/{path}")).status == 200
            theirs = await filled.get(f"/api/v1/beta/{path}", token=token)
            nobodys = await filled.get(f"/api/v1/beta/{path}x", token=token)
            assert theirs.status == nobodys.status == 404
            assert {**theirs.json, "request_id": ""} == {**nobodys.json, "request_id": ""}


class TestOne:
    async def test_intent_and_invoice_look_as_in_their_lists(self, filled):
        for path, key in ((INTENTS, "payment_id"), (INVOICES, "invoice_id")):
            row = (await filled.get(path)).json["data"][0]
            assert (await filled.get(f"{path}/{row[key]}")).json == row

    async def test_that_left_the_working_set_is_read_from_the_models(self, filled, desk):
        for path, key in ((INTENTS, "payment_id"), (INVOICES, "invoice_id")):
            row = (await filled.get(path)).json["data"][0]
            for kind in ("pi", "iv"):
                desk.working.put(f"{kind}\x00alpha\x00{row[key]}".encode(), None)
            assert (await filled.get(f"{path}/{row[key]}")).json == row

    async def test_invoice_shows_decimal_text_in_its_currency(self, filled):
        (row,) = (await filled.get(f"{INVOICES}?order_id=o3")).json["data"]
        assert (row["amount"], row["outstanding"], row["currency"]) == ("103.00", "103.00", "KES")
        assert row["due_date"] == "2026-02-04"


class TestEntries:
    async def test_carry_postings_that_balance(self, filled):
        rows = (await filled.get(f"{ENTRIES}?account=receivable")).json["data"]
        for row in rows:
            sides = {"debit": 0, "credit": 0}
            for leg in row["postings"]:
                sides[leg["side"]] += int(leg["amount"].replace(".", ""))
            assert sides["debit"] == sides["credit"] > 0

    async def test_of_one_event_are_all_it_became(self, filled, desk, database):
        before = desk.batches[-1].entries[0]
        assert before.tenant_id == "beta"
        await desk.hear("pos.order.completed", event_id="twice", order_id="p", total_amount="5.00")
        await desk.hear("pos.order.completed", event_id="twice", order_id="p", total_amount="5.00")
        await project(desk, database)
        rows = (await filled.get(f"{ENTRIES}/twice")).json["data"]
        assert [row["status"] for row in rows] == ["applied", "duplicate"]


class TestADatabaseThatIsAway:
    async def test_makes_lists_503_and_nothing_else(self, api):
        for path in (INTENTS, INVOICES, ENTRIES, f"{ENTRIES}/x", "/api/v1/alpha/events/x"):
            answer = await api.get(path)
            assert (answer.status, answer.code) == (503, "lists-unavailable")
        made = await api.command("/payments/intents", {"amount": "1"})
        assert made.status == 201
        assert (await api.get(f"{INTENTS}/{made.json['payment_id']}")).status == 200

    async def test_that_closed_its_pool_is_503_too(self, serve, context, database):
        other = await serve(replace(context, pool=database.app))
        database.app.terminate()
        answer = await other.get(INTENTS)
        assert (answer.status, answer.code) == (503, "lists-unavailable")


class TestTables:
    @pytest.mark.parametrize("limit", [2, 100])
    async def test_have_the_rows_of_the_list(self, filled, limit):
        url, rows = f"{INTENTS}?format=csv&limit={limit}", []
        while url:
            answer = await filled.get(url)
            assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
            table = list(csv.DictReader(io.StringIO(answer.raw.decode(), newline="")))
            assert 0 < len(table) <= limit
            rows += table
            link = answer.headers.get("Link")
            url = re.fullmatch(r'<(.+)>; rel="next"', link)[1] if link else None
        whole = (await filled.get(f"{INTENTS}?limit=100")).json["data"]
        assert [row["payment_id"] for row in rows] == [row["payment_id"] for row in whole]
        assert [row["amount"] for row in rows] == [row["amount"] for row in whole]
        assert json.loads(rows[0]["placements"]) == whole[0]["placements"]
        assert set(rows[0]) == set(whole[0])

    async def test_of_nothing_have_their_columns(self, listed):
        for route in ROUTES:
            path = route.path.replace("{tenant}", "alpha")
            if route.paged and "{" not in path:
                answer = await listed.get(f"{path}?format=csv")
                assert answer.status == 200, path
                assert answer.raw.count(b"\r\n") == 1, path
                assert len(answer.raw) > 10, path

    async def test_run_nothing_in_a_spreadsheet(self, listed, desk, database):
        await desk.hear(
            "cafe.order.created", order_id="o", customer_id="=1+1", total_amount="10.00"
        )
        await project(desk, database)
        answer = await listed.get(f"{INVOICES}?format=csv")
        [row] = csv.DictReader(io.StringIO(answer.raw.decode(), newline=""))
        assert row["customer_id"] == "'=1+1"

    async def test_are_of_no_other_kind(self, listed):
        assert (await listed.get(f"{INTENTS}?format=xlsx")).code == "bad-parameter"


class TestFreshness:
    async def test_a_list_waits_for_what_its_caller_has_seen(self, listed, desk, database):
        made = await listed.command("/payments/intents", {"amount": "10.00"})
        position = made.headers["Treasury-Position"]
        waiting = asyncio.create_task(listed.get(f"{INTENTS}?min_position={position}"))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await project(desk, database)
        assert [row["payment_id"] for row in (await waiting).json["data"]] == [
            made.json["payment_id"]
        ]

    async def test_a_list_that_cannot_be_so_new_in_time_says_so(
        self, serve, context, database, desk
    ):
        hasty = await serve(replace(context, pool=database.app, settings=HASTY))
        answer = await hasty.get(f"{INTENTS}?min_position=0.99")
        assert (answer.status, answer.code) == (503, "not-serving")

    @pytest.mark.parametrize(
        "position", ["", "7", "0.", ".7", "0.-1", "1.0", "0.1.2", "0.x", "٠.١", "0." + "9" * 40]
    )
    async def test_a_position_that_is_none_or_of_another_tenant_is_refused(self, listed, position):
        answer = await listed.get(f"{INTENTS}?min_position={position}")
        assert (answer.status, answer.code) == (400, "bad-parameter")

    async def test_a_repeated_command_tells_a_position_as_well(self, listed):
        said = [await listed.command("/payments/intents", {"amount": "1.00"}) for _ in range(2)]
        places = [tuple(map(int, each.headers["Treasury-Position"].split("."))) for each in said]
        assert places[0] <= places[1]

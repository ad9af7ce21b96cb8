"""The ledger over HTTP: commands with their actor, resources, lists, statements, trial balance."""

import msgspec
import pytest

import agents.services  # noqa: F401  fills the registry
from agents.registry import COMMANDS, HANDLED
from tests.web.desk import project
from web import scopes
from web.bodies import body_of
from web.routes import ROUTES

ALPHA = "/alpha"
BILL = {"supplier_id": "s", "number": "7", "amount": "116", "tax_amount": "16", "category": "rent"}
OPENING = {
    "legs": [
        {"account": "gateway:instant:collection", "side": "debit", "amount": "1000"},
        {"account": "opening", "side": "credit", "amount": "1000"},
    ]
}


@pytest.fixture
async def earned(api, desk):
    """A rider has earned 500 shillings less 25 of tax, and the gateway has 1,000."""
    await api.command(f"{ALPHA}/journals", OPENING, key="opening")
    await desk.hear(
        "logistics.earnings.calculated",
        payee_id="r",
        period="w1",
        gross_amount=500,
        deductions=[{"kind": "tax", "amount": 25}],
    )
    return api


class TestEveryCommand:
    def test_has_a_route_whose_body_is_its_own(self):
        commands = {name for name, each in HANDLED.items() if each.ingress == COMMANDS}
        routed = {
            cell.cell_contents
            for route in ROUTES
            for cell in route.handler.__closure__ or ()
            if isinstance(cell.cell_contents, str)
        }
        # Of these the route does more: it chooses a scope, or reads a file.
        others = {
            "treasury.command.payment.confirm",
            "treasury.command.settlement.prove",
            "treasury.command.statement.import",
        }
        assert commands - others <= routed

    @pytest.mark.parametrize(
        "route", [r for r in ROUTES if r.idempotent], ids=lambda route: route.name
    )
    def test_moves_money_under_a_key_and_a_scope_only(self, route):
        assert route.model
        assert route.scope in scopes.ALL
        assert "actor" not in route.model.model_fields
        assert not {part[1:-1] for part in route.path.split("/")} & set(route.model.model_fields)

    def test_a_body_takes_what_its_command_takes(self):
        class Part(msgspec.Struct):
            name: str

        class Whole(msgspec.Struct):
            parts: list[Part]
            actor: str = ""
            days: int | None = None

        model = body_of(Whole)
        assert set(model.model_fields) == {"parts", "days"}
        assert model.model_validate({"parts": [{"name": "a"}]}).model_dump(exclude_none=True) == {
            "parts": [{"name": "a"}]
        }


class TestCommands:
    async def test_name_their_actor_and_their_path(self, earned, issuer):
        await earned.command(f"{ALPHA}/payouts", {"target": "earnings", "subject_id": "r"})
        [payout] = (await earned.get("/api/v1/alpha/trial-balance")).json["totals"]
        assert payout["ties"] is True

    async def test_two_people_let_a_payout_go(self, earned, desk, issuer):
        await desk.hear("auth.tenant.updated", settings={"payout_limit": "100"})
        said = {"target": "earnings", "subject_id": "r", "amount": "400"}
        made = await earned.command(f"{ALPHA}/payouts", said)
        assert (made.status, made.json["status"]) == (201, "held")
        assert made.json["requested_by"] == "local"
        path = f"{ALPHA}/payouts/{made.json['payout_id']}/approve"
        assert (await earned.command(path, {})).code == "same_person"
        ben = issuer.mint("alpha", scopes.ALL, subject="ben")
        done = await earned.command(path, {}, key="ben-1", token=ben)
        assert (done.status, done.json["approved_by"]) == (202, "ben")

    async def test_need_their_scope(self, earned, issuer):
        clerk = issuer.mint("alpha", [scopes.PAYOUTS_WRITE])
        refused = await earned.command(f"{ALPHA}/payouts/x/approve", {}, token=clerk)
        assert (refused.status, refused.code) == (403, "scope-missing")

    async def test_about_nothing_are_404(self, earned):
        for path in ("payouts/x/approve", "bills/x/pay", "invoices/x/void", "cases/x/resolve"):
            body = {"account": "bank:kcb"} if path.endswith("pay") else {}
            answer = await earned.command(f"{ALPHA}/{path}", body, key=path)
            assert answer.status == 404, path

    async def test_name_the_member_that_is_wrong(self, earned):
        answer = await earned.command(f"{ALPHA}/bills", {**BILL, "lines": [{"item_id": "a"}]})
        assert answer.status == 422
        pointers = {error["pointer"] for error in answer.json["errors"]}
        assert pointers == {"/lines/0/quantity", "/lines/0/unit_price"}
        answer = await earned.command(f"{ALPHA}/bills", {**BILL, "colour": "red"}, key="k2")
        assert answer.json["errors"][0]["pointer"] == "/colour"

    async def test_a_dry_run_answers_and_leaves_nothing(self, api):
        tried = await api.command(f"{ALPHA}/journals", {**OPENING, "dry_run": True})
        assert (tried.status, tried.json["balances"][0]["balance"]) == (200, "1000.00")
        assert (await api.get("/api/v1/alpha/trial-balance")).json["data"] == []


class TestTheGuidesPaths:
    async def test_take_the_tenant_from_the_token(self, api):
        made = await api.command("/invoices", {"customer_id": "c", "amount": "116"})
        assert made.status == 201
        found = await api.get(f"/api/v1/alpha/invoices/{made.json['invoice_id']}")
        assert found.json == made.json
        assert found.json["amount"] == "116.00"


class TestLists:
    async def test_of_suppliers_are_the_bills(self, listed, desk, database):
        made = await listed.command(f"{ALPHA}/bills", BILL)
        await listed.command("/invoices", {"customer_id": "c", "amount": "5"}, key="k2")
        await project(desk, database)
        bills = await listed.get("/api/v1/alpha/invoices?type=supplier&party=s")
        assert bills.json["data"] == [made.json]
        assert [row["number"] for row in bills.json["data"]] == ["7"]
        sales = await listed.get("/api/v1/alpha/invoices?type=sales")
        assert [row["customer_id"] for row in sales.json["data"]] == ["c"]
        assert (await listed.get("/api/v1/alpha/invoices?type=both")).code == "bad-parameter"

    async def test_there_is_one_of_every_kind(self, listed, desk, database):
        await project(desk, database)
        for route in ROUTES:
            path = route.path.replace("{tenant}", "alpha")
            if route.paged and "{" not in path:
                assert (await listed.get(path)).status == 200, path

    async def test_show_what_was_shown_when_it_was_made(self, listed, desk, database):
        said = {"name": "Drops", "price": "10", "meters": [{"name": "m", "unit_price": "1.5"}]}
        plan = (await listed.command(f"{ALPHA}/plans", said)).json
        journal = (await listed.command(f"{ALPHA}/journals", OPENING, key="k2")).json
        await project(desk, database)
        assert (await listed.get("/api/v1/alpha/plans")).json["data"] == [plan]
        [found] = (await listed.get("/api/v1/alpha/journals")).json["data"]
        assert found == {name: value for name, value in journal.items() if name != "balances"}


class TestStatements:
    async def test_of_a_payee_in_json_and_csv(self, listed, desk, database):
        await listed.command(f"{ALPHA}/journals", OPENING, key="opening")
        await desk.hear(
            "logistics.earnings.calculated",
            payee_id="r",
            period="w1",
            gross_amount=500,
            deductions=[{"kind": "=tax", "amount": 25}],
        )
        await listed.command(f"{ALPHA}/payouts", {"target": "earnings", "subject_id": "r"})
        await project(desk, database)
        said = (await listed.get("/api/v1/alpha/payees/r/statement")).json
        assert said["periods"][0]["net"] == "475.00"
        assert said["payouts"][0]["amount"] == "475.00"
        text = (await listed.get("/api/v1/alpha/payees/r/statement?format=csv")).raw.decode()
        assert text.split("\r\n")[1:4] == [
            "r,w1,gross,500.00,KES,,",
            "r,w1,'=tax,-25.00,KES,,",
            "r,,payout,-475.00,KES,submitted,",
        ]
        assert text.split("\r\n")[4] == "r,,balance,0.00,KES,,"
        assert (await listed.get("/api/v1/alpha/payees/x/statement")).status == 404


class TestPastBooks:
    async def test_a_statement_runs_from_its_opening_to_its_closing(self, listed, desk, database):
        for number, amount in enumerate(("100", "50", "25")):
            body = {"customer_id": "c", "amount": amount}
            await listed.command("/invoices", body, key=f"k{number}")
        await project(desk, database)
        path = "/api/v1/alpha/accounts/receivable/statement"
        said = (await listed.get(path)).json
        assert (said["opening"], said["closing"]) == ("0.00", "175.00")
        assert [line["balance"] for line in said["data"]] == ["100.00", "150.00", "175.00"]
        assert said["data"][0]["event_type"] == "treasury.command.invoice.create"
        later = (await listed.get(f"{path}?from=2026-01-02")).json
        assert (later["opening"], later["data"]) == ("175.00", [])
        income = (await listed.get("/api/v1/alpha/accounts/revenue:invoice/statement")).json
        assert income["closing"] == "175.00"
        text = (await listed.get(f"{path}?format=csv&to=2026-01-01")).raw.decode()
        assert text.splitlines()[0].startswith("booked_on,effective_on,event_type")
        assert text.splitlines()[3].endswith("25.00,0.00,175.00")
        assert (await listed.get(f"{path}?format=pdf")).status == 400
        assert (await listed.get(f"{path}?from=May")).status == 400

    async def test_a_balance_is_known_as_of_any_moment(self, listed, desk, database):
        await listed.command("/invoices", {"customer_id": "c", "amount": "100"})
        await project(desk, database)
        path = "/api/v1/alpha/balances?account=receivable&at="
        before = (await listed.get(f"{path}2025-12-31T23:59:59Z")).json
        assert before["data"] == []
        after = (await listed.get(f"{path}2026-01-02T00:00:00Z")).json
        assert after["data"][0]["balance"] == {"amount": "100.00", "currency": "KES"}
        assert (await listed.get(f"{path}yesterday")).status == 400


class TestTheTrialBalance:
    async def test_ties_now_and_through_a_day(self, listed, desk, database):
        await listed.command("/invoices", {"customer_id": "c", "amount": "116"})
        await project(desk, database)
        now = (await listed.get("/api/v1/alpha/trial-balance")).json
        assert now["totals"] == [
            {"currency": "KES", "debit": "116.00", "credit": "116.00", "ties": True}
        ]
        table = (await listed.get("/api/v1/alpha/trial-balance?format=csv")).raw.decode()
        assert table.splitlines()[0] == "account,currency,normal_side,debit,credit"
        assert len(table.splitlines()) == 1 + len(now["data"])
        then = (await listed.get("/api/v1/alpha/trial-balance?through=2026-01-01")).json
        assert then["data"] == now["data"]
        before = (await listed.get("/api/v1/alpha/trial-balance?through=2025-12-31")).json
        assert before["data"] == []
        assert (await listed.get("/api/v1/alpha/trial-balance?through=May")).status == 400


class TestTheClock:
    async def test_of_a_sandbox_is_moved_and_shown(self, api, desk):
        await desk.hear("auth.tenant.created", "box", mode="sandbox")
        token = api.token("box")
        answer = await api.command(
            "/box/clock/advance", {"to": "2026-02-01T00:00:00Z"}, token=token
        )
        assert answer.status == 202
        shown = (await api.get("/api/v1/box/clock", token=token)).json
        assert (shown["sandbox"], shown["now"][:10]) == (True, "2026-01-31")
        live = await api.command(f"{ALPHA}/clock/advance", {"to": "2026-02-01T00:00:00Z"})
        assert live.code == "not_a_sandbox"

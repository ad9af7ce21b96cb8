"""Stories of the whole ledger on the real stack, each by a tenant of its own in sandbox mode.

Apache Kafka, NATS, Postgres, one worker, and the clock of each tenant put forward over HTTP. At the
end everything is replayed and every invariant is checked.
"""

import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import aiohttp
import nats
import pytest
import pytest_asyncio

from compose import seeing
from compose.calling import Accepted, Caller
from compose.local.kafka import jars_version
from compose.proof import verify_all
from compose.up import Local, Running
from tests.conftest import BROKER, apache_kafka_available
from web.scopes import ALL

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]
KES = "KES"


class Stories:
    """A running installation whose tenants are made as they are needed."""

    def __init__(self, running: Running, session, client) -> None:
        self.running, self._session, self._client = running, session, client
        self._tokens: dict[tuple[str, str], str] = {}
        self.accepted = Accepted()

    async def tenant(self, *, time_zone: str = "Africa/Nairobi", **more) -> Caller:
        """A new sandbox tenant, whose clock stands at the present."""
        tenant_id = f"tenant-{uuid4()}"

        def token(actor: str) -> str:
            if (tenant_id, actor) not in self._tokens:
                made = self.running.issuer.mint(tenant_id, ALL, subject=actor)
                self._tokens[tenant_id, actor] = made
            return self._tokens[tenant_id, actor]

        url = self.running.urls[0]
        caller = Caller(
            self._session,
            self._client,
            url,
            tenant_id,
            token=token,
            accepted=self.accepted,
        )
        country, currency = more.pop("country", "KE"), more.pop("currency", KES)
        settings = {"tax_registered": True, "payment_terms_days": 5, **more}
        about = {"country": country, "currency": currency, "time_zone": time_zone}
        await caller.event("auth.tenant.created", mode="sandbox", settings=settings, **about)
        return caller

    async def told(self, caller: Caller, event_type: str, at_least: int = 1) -> list[dict]:
        """The data of outbound events of a tenant and type on NATS, in order, if so many came."""
        found = []
        for body in await seeing.outbound(self._client):
            said = json.loads(body)
            if (said["tenant_id"], said["event_type"]) == (caller.tenant_id, event_type):
                found.append(said["data"])
        return found if len(found) >= at_least else []


@pytest.fixture(scope="module")
def folder(pytestconfig: pytest.Config) -> Iterator[Path]:
    """A folder for the installation; without Apache Kafka nothing here is claimed."""
    available, reason = apache_kafka_available()
    if not available:
        pytest.skip(reason)
    pytestconfig.stash[BROKER] = f"Apache Kafka {jars_version()}"
    folder = Path(tempfile.mkdtemp(prefix="treasury-ledger-"))
    folder.chmod(0o755)  # PostgreSQL runs under an account of its own when we are root
    yield folder
    if os.environ.get("TREASURY_KEEP") == "1":
        print(f"kept {folder}")
    else:
        shutil.rmtree(folder)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stories(folder: Path) -> AsyncIterator[Stories]:
    async with Running(Local(folder, "apache", partitions=2, port=0), print) as running:
        await running.ready()
        client = await nats.connect(running.endpoints.nats)
        async with aiohttp.ClientSession() as session:
            yield Stories(running, session, client)
        await client.close()


def day(text: str, number: float) -> str:
    """So many days after a moment of the tenant's clock."""
    at = datetime.fromisoformat(text) + timedelta(days=number)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class TestSales:
    async def test_a_cafe_order_is_invoiced_and_paid(self, stories):
        cafe = await stories.tenant()
        order = {"order_id": "o", "customer_id": "c", "total_amount": 1500}
        await cafe.event("cafe.order.created", **order)
        await cafe.pay(order_id="o")
        invoice = await cafe.only("invoices", order_id="o", status="paid")
        assert invoice["outstanding"] == "0.00"
        balances = await cafe.balances()
        assert balances["gateway:instant:collection", KES] == "1500.00"
        told = await cafe.until(lambda: stories.told(cafe, "treasury.invoice.paid"))
        assert told[0]["order_id"] == "o"

    async def test_an_invoice_is_dunned_at_each_step_once_and_paid_late(self, stories):
        cafe = await stories.tenant()
        await cafe.event("cafe.order.created", order_id="o", customer_id="c", total_amount=1000)
        await cafe.pay(order_id="o", amount="400")
        start = await cafe.now()
        for days in (3, 6, 9, 13):
            await cafe.advance(day(start, days))
        invoice_id = (await cafe.only("invoices", order_id="o"))["invoice_id"]
        invoice = await cafe.get(f"invoices/{invoice_id}")
        assert (invoice["status"], invoice["overdue"]) == ("partially_paid", True)
        await cafe.pay(order_id="o")
        await cafe.advance(day(start, 60))
        paid = await cafe.get(f"invoices/{invoice_id}")
        assert (paid["status"], paid["overdue"], paid["dunned"]) == ("paid", False, 7)
        due = await cafe.until(lambda: stories.told(cafe, "treasury.invoice.due", at_least=4))
        assert [said["step_days"] for said in due] == [-3, 0, 3, 7]
        assert {str(said["amount"]) for said in due} == {"600.0"}

    async def test_a_day_at_the_till(self, stories):
        shop = await stories.tenant()
        cash = [{"method": "cash", "amount": 1200}]
        mixed = [{"method": "cash", "amount": 300}, {"method": "mpesa", "amount": 700}]
        sale = {"outlet_id": "w"}
        await shop.event(
            "pos.order.completed",
            order_id="a",
            total_amount=1000,
            tenders=cash,
            change=150,
            tip=50,
            **sale,
        )
        await shop.event(
            "pos.order.completed", order_id="b", total_amount=1000, tenders=mixed, **sale
        )
        await shop.pay(order_id="b")
        start = await shop.now()
        await shop.advance(day(start, 0.5))
        closed = {"opening_float": 500, "counted_amount": 1830, "deposit": 1330}
        await shop.event("pos.cash.drawer.closed", session_id="s", **closed, **sale)
        balances = await shop.balances()
        assert balances["cash:over_short", KES] == "20.00"
        assert balances["cash:drawer:w", KES] == "500.00"
        await shop.advance(day(start, 1.5))
        card = await shop.only("settlements", provider="instant", status="expected")
        assert (card["net"], card["items"]) == ("700.00", 1)
        till = await shop.only("settlements", provider="cash")
        assert till["gross"] == "1330.00"

    async def test_an_order_of_the_cafe_that_the_till_sells_too_is_sold_once(self, stories):
        cafe = await stories.tenant()
        await cafe.event("pos.order.completed", order_id="o", total_amount=1160)
        await cafe.event("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        assert await cafe.balances() == {
            ("cash:drawer:main", KES): "1160.00",
            ("revenue:cafe", KES): "1000.00",
            ("tax:output", KES): "160.00",
        }

    async def test_late_success_of_what_was_paid_meanwhile_is_credit_and_given_back(self, stories):
        cafe = await stories.tenant()
        await cafe.event("cafe.order.created", order_id="o", customer_id="c", total_amount="100.27")
        hanging = await cafe.done("/payments/intents", order_id="o")
        confirm = {"payment_id": hanging["payment_id"], "method": "instant"}
        gateway = stories.running.sandbox.instant
        gateway.tells.clear()
        await cafe.done("/payments/confirm", **confirm)  # …27: done, and never answered
        await cafe.advance(day(await cafe.now(), 2))
        await cafe.done(
            "/payments/confirm",
            payment_id=(await cafe.done("/payments/intents", order_id="o"))["payment_id"],
            method="cash",
        )
        gateway.tells.set()
        await cafe.become("payments/intents", hanging["payment_id"], "succeeded")
        assert (await cafe.balances())["customer:credit", KES] == "100.27"
        path = f"payments/intents/{hanging['payment_id']}/refunds"
        refund = await cafe.done(path, amount="100")
        await cafe.become("refunds", refund["refund_id"], "completed")
        assert (await cafe.balances())["customer:credit", KES] == "0.27"


class TestSubscriptions:
    @pytest.mark.parametrize(
        ("zone", "country", "currency"),
        [("Africa/Nairobi", "KE", KES), ("Europe/Berlin", "DE", "EUR")],
    )
    async def test_use_is_billed_at_the_end_of_the_month_of_its_zone(
        self, stories, zone, country, currency
    ):
        cafe = await stories.tenant(time_zone=zone, country=country, currency=currency)
        # From the winter into the summer: Berlin's clocks go forward on the way.
        year = int((await cafe.now())[:4]) + 1
        await cafe.advance(f"{year}-03-01T09:00:00Z")
        meters = [{"name": "drops", "unit_price": "2.5"}]
        plan = await cafe.done("plans", name="Drops", price="100", meters=meters)
        member = await cafe.done("subscriptions", plan_id=plan["plan_id"], customer_id="c")
        assert member["period_to"] == f"{year}-04-01"
        use = {"subscription_id": member["subscription_id"], "meter": "drops"}
        await cafe.event("cafe.subscription.usage.metered", quantity=10, **use)
        last_hour = "20:30" if zone.startswith("Africa") else "21:30"
        await cafe.advance(f"{year}-03-31T{last_hour}:00Z")
        await cafe.event("cafe.subscription.usage.metered", quantity=2, **use)
        assert (await cafe.get("invoices"))["data"] == []
        after = "21:00" if zone.startswith("Africa") else "22:00"
        await cafe.advance(f"{year}-03-31T{after}:30Z")
        invoice = await cafe.only("invoices", source="subscription")
        assert (invoice["amount"], invoice["issued_date"]) == ("130.00", f"{year}-04-01")
        await cafe.event("cafe.subscription.usage.metered", quantity=1, **use)


class TestSpending:
    async def test_an_expense_above_the_limit_is_approved_and_paid(self, stories):
        firm = await stories.tenant(expense_limit="100")
        fuel = {"expense_id": "e", "amount": 2320, "tax_amount": 320, "category": "fuel"}
        await firm.event("logistics.expense.created", **fuel)
        assert (await firm.balances()) == {}
        await firm.done("expenses/e/approve")
        assert (await firm.balances())["payable", KES] == "2320.00"
        paid = await firm.done("expenses/e/pay", account="bank:kcb")
        assert (paid["status"], paid["outstanding"]) == ("paid", "0.00")

    async def test_earnings_are_recalculated_and_paid_out_or_not(self, stories):
        firm = await stories.tenant(payout_limit="1000")
        await firm.pay(amount="100000")
        week = {"payee_id": "r", "period": "w1"}
        await firm.event("logistics.earnings.calculated", gross_amount=5000, **week)
        await firm.event("logistics.earnings.calculated", gross_amount=4000, **week)
        said = {"target": "earnings", "subject_id": "r"}
        held = await firm.done("payouts", amount="2000", **said)
        assert held["status"] == "held"
        assert await firm.refused(f"payouts/{held['payout_id']}/approve") == "same_person"
        await firm.done(f"payouts/{held['payout_id']}/approve", actor="ben")
        await firm.become("payouts", held["payout_id"], "completed")
        failing = await firm.done("payouts", amount="500.13", **said)  # …13: declined
        await firm.become("payouts", failing["payout_id"], "failed")
        back = await firm.done(f"payouts/{held['payout_id']}/return", reason="closed", actor="ben")
        assert back["status"] == "returned"
        assert (await firm.balances())["earnings:r", KES] == "4000.00"
        for kind in ("completed", "failed", "returned"):
            assert await firm.until(lambda k=kind: stories.told(firm, f"treasury.payout.{k}"))

    async def test_goods_and_bills_in_any_order(self, stories):
        shop = await stories.tenant(tolerance_percent="2")
        goods = {"supplier_id": "s"}
        await shop.event("inventory.po.received", po_id="p", total_amount=600, **goods)
        await shop.event("inventory.po.received", po_id="p", total_amount=400, **goods)
        bill = {"supplier_id": "s", "po_id": "p"}
        beyond = await shop.done("bills", number="1", amount="1030", **bill)
        assert (beyond["status"], beyond["why"]) == ("waiting", "price_differs")
        await shop.done(f"bills/{beyond['bill_id']}/approve", actor="ben")
        first = await shop.done("bills", number="2", amount="508", supplier_id="s", po_id="q")
        assert first["why"] == "goods_not_received"
        await shop.event("inventory.po.received", po_id="q", total_amount=500, **goods)
        await shop.become("bills", first["bill_id"], "open")
        balances = await shop.balances()
        assert ("grni", KES) not in balances
        assert balances["price_variance", KES] == "38.00"
        assert balances["payable", KES] == "1538.00"


class TestCustomers:
    async def test_a_customer_withholds_of_a_milestone(self, stories):
        firm = await stories.tenant()
        done = {"milestone_id": "m", "project_id": "p", "customer_id": "c", "amount": 348000}
        await firm.event("projects.milestone.completed", withholding="professional", **done)
        invoice = await firm.only("invoices", reference="m")
        await firm.pay(invoice_id=invoice["invoice_id"], amount="333000")
        await firm.become("invoices", invoice["invoice_id"], "paid")
        assert (await firm.balances())["tax:wht_receivable", KES] == "15000.00"

    async def test_refunds_in_part_and_never_above_what_is_refundable(self, stories):
        cafe = await stories.tenant()
        payment = await self._paid(cafe)
        path = f"payments/intents/{payment}/refunds"
        for amount in ("160", "400"):
            refund = await cafe.done(path, amount=amount)
            await cafe.become("refunds", refund["refund_id"], "completed")
        assert await cafe.refused(path, amount="600.01") == "more_than_refundable"
        shown = await cafe.get(f"payments/intents/{payment}")
        assert (shown["refunded"], shown["refundable"]) == ("560.00", "600.00")

    async def test_a_dispute_is_lost(self, stories):
        cafe = await stories.tenant()
        payment = await self._paid(cafe)
        dispute = await cafe.done(f"payments/intents/{payment}/disputes", fee="15")
        await cafe.done(f"disputes/{dispute['dispute_id']}/close", outcome="lost")
        balances = await cafe.balances()
        assert balances["expense:chargeback", KES] == "1160.00"
        assert balances["fees:instant", KES] == "15.00"

    @staticmethod
    async def _paid(cafe: Caller) -> str:
        await cafe.event("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        return await cafe.pay(order_id="o")


class TestBooks:
    async def test_a_reversal_into_closed_books_counts_after_them(self, stories):
        firm = await stories.tenant()
        legs = [
            {"account": "bank:kcb", "side": "debit", "amount": "100"},
            {"account": "opening", "side": "credit", "amount": "100"},
        ]
        start = await firm.now()
        journal = await firm.done("journals", legs=legs)
        await firm.advance(day(start, 5))
        closed = day(start, 3)[:10]
        await firm.done("periods/close", through=closed)
        undone = await firm.done(f"journals/{journal['journal_id']}/reverse")
        assert undone["day"] == journal["day"]
        assert await firm.balances() == {}

        async def ties():
            then = await firm.get(f"trial-balance?through={closed}")
            return then["data"] if len(then["data"]) == 2 else None

        then = await firm.until(ties)
        assert {line["debit"] for line in then} == {"100.00", "0.00"}


class TestTheEnd:
    async def test_all_of_it_is_replayed_and_keeps_every_invariant(self, stories):
        pool_settings = stories.running.settings()
        proof = await verify_all(pool_settings)
        assert [*proof.differences, *proof.violations] == []
        assert proof.sound

"""Pages of invoices and receipts: what they say, whom they are shown, and how they print."""

import json
import os
import re
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from tables.invoices import Invoice, Line
from tables.payments import Payment, Placement
from tables.postgres.gateways import tenant_of_link
from tables.tax_documents import TaxDocument
from tables.tenants import Tenant
from tests.browser import browsing
from tests.web.desk import project
from web import scopes
from web.documents import Fiscal, Seller, fiscal_of, invoice_page, receipt_page, text
from web.pages import page

TENANT = Tenant("alpha", "Alpha Coffee")
SELLER = Seller("Alpha Coffee", "Westlands", "P051234567Z", "Alpha Coffee Ltd")
LINES = (
    Line("Beans", "2", 100_000, 16_000),
    Line("Milk", "1", 5_000, 0, "zero"),
)
INVOICE = Invoice(
    *("alpha", "i-1", "o-1", "c-1", "cafe", "KES", 123_000, 16_000),
    issued_date="2026-01-01",
    due_date="2026-01-15",
    levies={"tax:tourism_levy": 2_000},
    lines=LINES,
)
PAYMENT = Payment(
    *("alpha", "p-1", "KES", 50_000),
    status="succeeded",
    provider="mpesa",
    provider_reference="SFC1",
    received=50_000,
    received_ms=1_767_221_000_000,  # 22:43 in UTC, after midnight in Nairobi
    placements=(Placement("invoice", "i-1", 40_000), Placement("credit", "c-1", 10_000)),
)


def said(sums):
    return {each.words: each.amount for each in sums}


class TestAnInvoicesWords:
    def test_lines_say_how_much_and_how_they_are_taxed(self):
        shown = invoice_page(TENANT, INVOICE, [], seller=SELLER)
        assert [(item.words, item.note, item.amount) for item in shown.items] == [
            ("Beans", "2 × · VAT KES 160.00", "KES 1,000.00"),
            ("Milk", "zero-rated", "KES 50.00"),
        ]

    def test_net_taxes_and_levies_come_to_the_total(self):
        shown = invoice_page(TENANT, INVOICE, [], seller=SELLER)
        assert said(shown.sums) == {
            "Net": "KES 1,050.00",
            "VAT": "KES 160.00",
            "Tourism levy": "KES 20.00",
        }
        assert shown.total == "KES 1,230.00"

    def test_one_without_lines_is_of_its_order(self):
        shown = invoice_page(TENANT, INVOICE.replaced(lines=()), [], seller=SELLER)
        assert [(item.words, item.amount) for item in shown.items] == [
            ("Order o-1", "KES 1,050.00")
        ]

    def test_what_a_payment_paid_of_it_is_said_and_what_is_left(self):
        invoice = INVOICE.replaced(paid=40_000, credited=3_000, status="partially_paid")
        shown = invoice_page(TENANT, invoice, [PAYMENT], seller=SELLER)
        [paid] = shown.payments
        assert (paid.day, paid.way, paid.number) == ("2026-01-01", "M-Pesa", "SFC1")
        assert paid.amount == "KES 400.00"
        assert said(shown.lowered) == {"Credited": "KES 30.00"}
        assert (shown.is_due, shown.outstanding) == (True, "KES 800.00")

    def test_a_payment_of_another_invoice_is_not_on_it(self):
        other = INVOICE.replaced(invoice_id="i-2")
        assert invoice_page(TENANT, other, [PAYMENT], seller=SELLER).payments == []

    def test_a_buyer_without_a_name_is_known_by_id(self):
        assert invoice_page(TENANT, INVOICE, [], seller=SELLER).buyer == "c-1"
        assert invoice_page(TENANT, INVOICE, [], seller=SELLER, buyer="Wanjiru").buyer == "Wanjiru"

    def test_a_number_of_the_tax_authority_is_printed_where_there_is_one(self):
        fiscal = Fiscal("KRAMW017202207000000/42", "https://etims.kra.go.ke/check?x=1")
        with_one = page_of(
            "invoice", invoice_page(TENANT, INVOICE, [], seller=SELLER, fiscal=fiscal)
        )
        assert "Tax invoice" in with_one
        assert "KRAMW017202207000000/42" in with_one
        assert 'href="https://etims.kra.go.ke/check?x=1"' in with_one
        without = page_of("invoice", invoice_page(TENANT, INVOICE, [], seller=SELLER))
        assert "eTIMS" not in without
        assert "Tax invoice" not in without


class TestTheTaxDocument:
    DECLARED = TaxDocument(
        *("t", "d", "sale", "01", "KES", 116, 16, (), "cash"),
        status="declared",
        number=7,
        receipt_number="3",
        signature="V249J39CFJ48HE2W",
        qr="https://etims.kra.go.ke/check?Data=P000000000A01V249&x=<1>",
    )

    def test_is_on_the_page_once_it_is_declared(self):
        fiscal = fiscal_of(self.DECLARED)
        shown = page_of("invoice", invoice_page(TENANT, INVOICE, [], seller=SELLER, fiscal=fiscal))
        assert "01/7, receipt 3, V249J39CFJ48HE2W" in shown
        assert "<svg" in shown
        assert "x=<1>" not in shown

    def test_has_a_picture_of_its_address(self):
        fiscal = fiscal_of(self.DECLARED)
        assert fiscal is not None
        assert fiscal.qr == fiscal_of(self.DECLARED).qr
        assert fiscal.qr != fiscal_of(self.DECLARED.replaced(qr="https://other.example/")).qr

    def test_is_not_there_before(self):
        assert fiscal_of(None) is None
        assert fiscal_of(self.DECLARED.replaced(status="submitted")) is None
        unsigned = fiscal_of(self.DECLARED.replaced(signature="", qr=""))
        assert (unsigned.number, unsigned.qr) == ("01/7, receipt 3", "")


class TestAReceiptsWords:
    def test_say_what_became_of_the_money(self):
        shown = receipt_page(TENANT, PAYMENT, {"i-1": INVOICE}, seller=SELLER)
        assert (shown.number, shown.amount, shown.day) == ("SFC1", "KES 500.00", "2026-01-01")
        assert said(shown.uses) == {
            "Invoice o-1": "KES 400.00",
            "Kept as your credit": "KES 100.00",
        }

    def test_name_no_invoice_that_the_link_does_not_show(self):
        places = (Placement("invoice", "i-1", 40_000), Placement("quoted", "i-2", 10_000))
        shared = PAYMENT.replaced(placements=places)
        shown = receipt_page(TENANT, shared, {"i-1": INVOICE}, seller=SELLER)
        assert said(shown.uses) == {"Invoice o-1": "KES 400.00", "Another invoice": "KES 100.00"}

    def test_say_nothing_of_what_a_chain_has_undone(self):
        again = PAYMENT.replaced(received=100_000, taken_back=50_000)
        assert receipt_page(TENANT, again, {}, seller=SELLER).amount == "KES 500.00"

    def test_say_what_was_given_back_since(self):
        back = PAYMENT.replaced(refunded=2_500)
        assert receipt_page(TENANT, back, {}, seller=SELLER).given_back == "KES 25.00"
        assert receipt_page(TENANT, PAYMENT, {}, seller=SELLER).given_back == ""


def test_amounts_are_exact_however_large_and_whatever_their_decimals():
    assert text(10**20 + 5, "KES") == "KES 1,000,000,000,000,000,000.05"
    assert text(-1_500, "UGX") == "UGX -1,500"


def page_of(name, shown):
    return page(name, shown=shown, pay="", receipts="", invoice="").text


def keep(name, seen):
    """TREASURY_PICTURES names a folder for what tests have seen, to be looked at."""
    if folder := os.environ.get("TREASURY_PICTURES"):
        Path(folder, name).write_bytes(seen)


async def printed(tab, name):
    """Width and height of the paper of what the page prints as, in whole points."""
    pdf = await tab.printed()
    keep(f"{name}.pdf", pdf)
    boxes = re.findall(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", pdf)
    assert len(boxes) == 1, "one sheet"
    return tuple(round(Decimal(side.decode())) for side in boxes[0])


class Shop:
    """A tenant with a linked invoice of which 500 shillings are paid in cash, and a server."""

    def __init__(self, desk, database, api):
        self.desk, self.database, self.api = desk, database, api

    def rows(self, kind):
        return self.desk.working.scan(f"{kind.KIND}\x00".encode(), 100)

    @property
    def link(self):
        [invoice] = [row for row in self.rows(Invoice) if row.order_id == "o-1"]
        return f"/pay/{invoice.link_token}"

    @property
    def payment_id(self):
        return next(row.payment_id for row in self.rows(Payment) if row.received == 50_000)

    async def command(self, name, **data):
        entry = await self.desk.hear(f"treasury.command.{name}", ingress="http", actor="a", **data)
        assert entry.status == "applied", entry.reason
        return json.loads(entry.reply.body)

    async def pay(self, amount, **about):
        made = await self.command("payment_intent.create", amount=amount, **about)
        payment_id = made["payment_id"]
        await self.command("payment.confirm", payment_id=payment_id, method="cash")
        await project(self.desk, self.database)
        return payment_id

    async def public(self, path):
        return await self.api.request("GET", path, headers={"Authorization": None})


@pytest_asyncio.fixture
async def shop(listed, context, serve, desk, database):
    here = replace(
        context, pool=database.app, tenant_of_link=partial(tenant_of_link, database.archiver)
    )
    shop = Shop(desk, database, await serve(here))
    await shop.command("settings.change", settings={"payment_links": True})
    await desk.hear("auth.outlet.created", outlet_id="w", name="Westlands")
    await desk.hear(
        "cafe.order.created", order_id="o-1", customer_id="c", total_amount=1160, outlet_id="w"
    )
    await shop.pay("500", order_id="o-1")
    return shop


class TestThePages:
    async def test_a_payer_sees_the_invoice_and_what_was_paid(self, shop):
        answer = await shop.public(f"{shop.link}/invoice")
        shown = answer.raw.decode()
        assert answer.status == 200
        for words in ("Alpha", "Invoice o-1", "KES 1,160.00", "KES 500.00", "Pay KES 660.00"):
            assert words in shown
        assert f'href="{shop.link}/receipts/{shop.payment_id}"' in shown

    async def test_take_nothing_from_elsewhere_and_run_nothing(self, shop):
        answer = await shop.public(f"{shop.link}/invoice")
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert b"<script" not in answer.raw
        assert answer.headers["Cache-Control"] == "no-store"

    async def test_a_receipt_is_shown_to_who_holds_the_link(self, shop):
        answer = await shop.public(f"{shop.link}/receipts/{shop.payment_id}")
        shown = answer.raw.decode()
        assert answer.status == 200
        for words in ("Receipt", "KES 500.00", "Cash", "Invoice o-1", "2026-01-01"):
            assert words in shown

    async def test_a_link_shows_no_payment_of_another_invoice(self, shop, desk):
        await desk.hear("cafe.order.created", order_id="o-2", customer_id="d", total_amount=10)
        other = await shop.pay("10", order_id="o-2")
        answer = await shop.public(f"{shop.link}/receipts/{other}")
        assert answer.status == 404
        assert b"There is no such page" in answer.raw

    @pytest.mark.parametrize("token", ["0" * 40, "x", "A" * 40])
    async def test_of_no_link_there_is_none(self, shop, token):
        for rest in ("invoice", f"receipts/{shop.payment_id}"):
            answer = await shop.public(f"/pay/{token}/{rest}")
            assert answer.status == 404
            assert b"There is no such page" in answer.raw

    async def test_callers_of_the_api_see_them_by_id(self, shop):
        [invoice] = shop.rows(Invoice)
        path = f"/api/v1/alpha/invoices/{invoice.invoice_id}/page"
        answer = await shop.api.get(path)
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/html")
        assert b"KES 1,160.00" in answer.raw
        receipt = f"/api/v1/alpha/payments/intents/{shop.payment_id}/receipt"
        assert b"KES 500.00" in (await shop.api.get(receipt)).raw
        poor = shop.api.token(scope={scopes.PAYMENTS_READ})
        assert (await shop.api.get(path, token=poor)).code == "scope-missing"

    async def test_another_tenants_are_as_unknown_ones(self, shop):
        [invoice] = shop.rows(Invoice)
        token = shop.api.token("beta")
        for path in (
            f"invoices/{invoice.invoice_id}/page",
            f"payments/intents/{shop.payment_id}/receipt",
        ):
            answer = await shop.api.get(f"/api/v1/beta/{path}", token=token)
            assert (answer.status, answer.code) == (404, "not-found")

    async def test_before_money_came_there_is_no_receipt(self, shop):
        made = await shop.command("payment_intent.create", order_id="o-1")
        path = f"/api/v1/alpha/payments/intents/{made['payment_id']}/receipt"
        assert (await shop.api.get(path)).code == "not-found"

    async def test_the_sellers_outlet_and_number_at_the_tax_office_are_on_them(self, shop):
        sent = {"value": {"pin": "P051234567Z", "registered_name": "Alpha Ltd"}}
        put = await shop.api.request("PUT", "/api/v1/alpha/configuration/tax", json=sent)
        assert put.status == 200
        shown = (await shop.public(f"{shop.link}/invoice")).raw.decode()
        for words in ("Westlands", "PIN P051234567Z", "Alpha Ltd"):
            assert words in shown

    async def test_what_tenants_wrote_is_text(self, shop, desk):
        await desk.hear("auth.tenant.updated", name="<script>alert(1)</script>")
        await project(desk, shop.database)
        shown = (await shop.public(f"{shop.link}/invoice")).raw.decode()
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown


@pytest.mark.browser
class TestInABrowser:
    """Chromium, the size of a small telephone, without scripts; and its printer."""

    async def test_an_invoice_fits_a_small_screen_and_leads_to_its_receipt(self, shop):
        async with browsing() as tab:
            await tab.without_scripts()
            await tab.go(f"{shop.api.url}{shop.link}/invoice")
            assert await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            keep("invoice.png", await tab.picture())
            await tab.evaluate("document.querySelector('.sums a').click()")
            await tab.until("document.body.innerText.includes('Receipt')")
            assert await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            keep("receipt.png", await tab.picture())
            assert tab.errors == []
            assert all(url.startswith(shop.api.url) for url in tab.requests)

    async def test_prints_an_invoice_on_a4_and_a_receipt_on_a_roll(self, shop):
        async with browsing() as tab:
            await tab.go(f"{shop.api.url}{shop.link}/invoice")
            assert await printed(tab, "invoice") == (595, 842)
            await tab.go(f"{shop.api.url}{shop.link}/receipts/{shop.payment_id}")
            assert (await printed(tab, "receipt"))[0] == 227  # 80 mm, in points

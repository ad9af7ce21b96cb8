"""The page of a payment link: by HTTP as any client, and in a browser without scripts."""

import asyncio
import json
import re
from dataclasses import replace

import pytest
import pytest_asyncio

from connectors.http import open_session
from connectors.mpesa.fake import FakeDaraja
from tables.invoices import Invoice, PaymentLink
from tables.payments import GatewayCall, Payment
from tests.browser import browsing
from tests.web.conftest import ADDRESSES, NoSecrets
from tests.web.test_callbacks import OfFakes
from web.call import Callbacks

PHONE = "0712 345 678"


class Shop:
    """A tenant with one invoice that has a link, a page for it, and a payer's telephone."""

    def __init__(self, desk, api, mpesa, gateways):
        self.desk, self.api, self.mpesa, self.gateways = desk, api, mpesa, gateways
        [link] = self.rows(PaymentLink)
        self.link = link

    def rows(self, kind):
        prefix = f"{kind.KIND}\x00".encode()
        return self.desk.working.scan(prefix, 100)

    @property
    def path(self):
        return f"/pay/{self.link.token}"

    async def page(self, **options):
        return await self.api.request("GET", self.path, headers={"Authorization": None}, **options)

    async def form(self, **members):
        """What the page's own form would send, unless `members` say otherwise."""
        shown = (await self.page()).raw.decode()
        once = re.search(r'name="once" value="([0-9a-f]{32})"', shown)
        return {"once": once[1] if once else "0" * 32, "method": "mpesa", "phone": PHONE, **members}

    async def send(self, form):
        return await self.api.request("POST", self.path, headers={"Authorization": None}, data=form)

    async def serve_calls(self):
        """What dispatch does with a push, by hand: ask the fake, hear it, and answer the call."""
        done = set()
        while True:
            for call in self.rows(GatewayCall):
                if call.call_id not in done and call.status == "requested":
                    done.add(call.call_id)
                    await self._serve(call)
            await asyncio.sleep(0.02)

    async def _serve(self, call):
        about = {"call_id": call.call_id, "nonce": "n"}
        await self.desk.hear(
            "treasury.call.granted", ingress="internal", valid_for_ms=5_000, **about
        )
        [payment] = [row for row in self.rows(Payment) if row.payment_id == call.subject_id]
        request = {
            "amount": f"{payment.amount // 100}.00",
            "currency": "KES",
            "phone": payment.phone,
            "reference": call.code,
        }
        gateway = (await self.gateways.of("alpha", "mpesa")).gateway
        told_at = "http://127.0.0.1:1"
        await gateway.perform(
            "collect", call.call_id, json.dumps(request).encode(), told_at=told_at
        )
        await asyncio.sleep(0.3)
        push = list(self.mpesa.book.pushes.values())[-1]
        outcome = "succeeded" if push.receipt else "failed"
        said = {"provider_reference": push.receipt, "failure": "cancelled_by_payer"}
        await self.desk.hear(
            "treasury.call.completed", ingress="internal", outcome=outcome, **about, **said
        )


@pytest_asyncio.fixture
async def shop(context, desk, serve):
    await desk.hear(
        "treasury.command.settings.change",
        ingress="http",
        settings={"payment_links": True},
        actor="a",
    )
    await desk.hear("cafe.order.created", order_id="o-1", customer_id="c", total_amount=1160)
    async with FakeDaraja() as mpesa, open_session() as session:
        gateways = OfFakes(session, mpesa=mpesa.configuration)

        async def tenant_of(token):
            found = desk.working.scan(b"ln\x00", 10)
            return next((row.tenant_id for row in found if row.token == token), None)

        here = replace(
            context, callbacks=Callbacks(ADDRESSES, gateways, NoSecrets()), tenant_of_link=tenant_of
        )
        yield Shop(desk, await serve(here), mpesa, gateways)


class TestThePage:
    async def test_shows_what_is_owed_to_whom_and_how_to_pay(self, shop):
        answer = await shop.page()
        shown = answer.raw.decode()
        assert answer.status == 200
        for words in ("Alpha", "KES 1,160.00", "o-1", "M-Pesa number", shop.mpesa.short_code):
            assert words in shown
        assert re.search(r"<code>[0-9A-Z]{12}</code>", shown)

    async def test_takes_nothing_from_elsewhere_and_runs_nothing(self, shop):
        answer = await shop.page()
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "form-action 'self'" in policy
        assert b"<script" not in answer.raw
        assert answer.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize("token", ["0" * 40, "x", "0" * 39, "A" * 40])
    async def test_of_no_link_there_is_none(self, shop, token):
        answer = await shop.api.request("GET", f"/pay/{token}", headers={"Authorization": None})
        assert answer.status == 404
        assert b"There is no such page" in answer.raw

    async def test_while_nobody_can_say_whose_it_is_one_is_told_to_come_again(self, context, serve):
        async def away(_token):
            raise OSError("Postgres is away")

        api = await serve(replace(context, tenant_of_link=away))
        answer = await api.request("GET", f"/pay/{'0' * 40}", headers={"Authorization": None})
        assert (answer.status, answer.code) == (503, "lists-unavailable")

    async def test_what_tenants_wrote_is_text(self, shop, desk):
        await desk.hear("auth.tenant.updated", name="<script>alert(1)</script>")
        shown = (await shop.page()).raw.decode()
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown


class TestTheForm:
    async def test_rings_the_telephone_once_however_often_it_is_sent(self, shop):
        form = await shop.form()
        for _ in range(3):
            answer = await shop.send(form)
        assert answer.status in {200, 303}
        [payment] = shop.rows(Payment)
        assert (payment.status, payment.attempt, payment.phone) == ("processing", 1, "0712345678")
        shown = (await shop.page()).raw.decode()
        assert "Look at your telephone" in shown
        assert 'http-equiv="refresh"' in shown
        assert "<form" not in shown

    async def test_a_number_that_is_none_is_said_so(self, shop):
        answer = await shop.send(await shop.form(phone="12345678"))
        assert answer.status == 422
        assert b"no Kenyan mobile number" in answer.raw
        assert [row.status for row in shop.rows(Payment)] == ["requires_action"]

    async def test_a_failed_attempt_is_told_and_can_be_tried_again(self, shop):
        await shop.send(await shop.form())
        [payment] = shop.rows(Payment)
        about = {"call_id": payment.call_id, "nonce": "n"}
        await shop.desk.hear(
            "treasury.call.granted", ingress="internal", valid_for_ms=5_000, **about
        )
        await shop.desk.hear(
            "treasury.call.completed",
            ingress="internal",
            outcome="failed",
            failure="wrong_pin",
            **about,
        )
        assert b"The PIN was wrong" in (await shop.page()).raw
        assert (await shop.send(await shop.form())).status == 303
        [payment] = shop.rows(Payment)
        assert payment.attempt == 2

    @pytest.mark.parametrize(
        "wish", [{"amount": "1000"}, {"amount": "1160.50"}, {"capture_method": "manual"}]
    )
    async def test_an_intent_of_something_else_gives_way_to_what_is_shown(self, shop, desk, wish):
        [invoice] = shop.rows(Invoice)
        about = {"invoice_id": invoice.invoice_id, "actor": "a", **wish}
        kind = "treasury.command.payment_intent.create"
        created = await desk.hear(kind, ingress="http", **about)
        form = await shop.form()
        for _ in range(2):
            answer = await shop.send(form)
        assert answer.status in {200, 303}
        before, payment = sorted(shop.rows(Payment), key=lambda row: row.status)
        assert before.payment_id == json.loads(created.reply.body)["payment_id"]
        assert (before.status, before.attempt) == ("cancelled", 0)
        assert (payment.status, payment.amount) == ("processing", 116_000)

    async def test_cents_are_rounded_up_and_the_page_says_whose_they_are(self, shop, desk):
        await desk.hear(
            "treasury.command.payment_intent.create", ingress="http", amount="0.50", actor="a"
        )
        paid = {"payment_id": shop.rows(Payment)[0].payment_id, "method": "cash", "actor": "a"}
        await desk.hear("treasury.command.payment.confirm", ingress="http", **paid)
        [invoice] = shop.rows(Invoice)
        await desk.hear(
            "treasury.command.invoice.credit",
            ingress="http",
            invoice_id=invoice.invoice_id,
            amount="0.50",
            actor="a",
        )
        assert shop.rows(Invoice)[0].outstanding == 115_950
        shown = (await shop.page()).raw.decode()
        assert "Pay KES 1,160.00 with M-Pesa" in shown
        assert "KES 0.50 of it is kept as your credit" in shown

    @pytest.mark.parametrize("changed", [{"once": "x"}, {"method": "cash"}, {"method": "card"}])
    async def test_what_the_page_would_not_send_begins_nothing(self, shop, changed):
        answer = await shop.send(await shop.form(**changed))
        assert answer.status == 200
        assert shop.rows(Payment) == []

    async def test_an_invoice_that_is_paid_has_no_form(self, shop, desk):
        [invoice] = shop.rows(Invoice)
        form = await shop.form()
        created = await desk.hear(
            "treasury.command.payment_intent.create",
            ingress="http",
            invoice_id=invoice.invoice_id,
            actor="a",
        )
        payment_id = json.loads(created.reply.body)["payment_id"]
        paid = {"payment_id": payment_id, "method": "cash", "actor": "a"}
        await desk.hear("treasury.command.payment.confirm", ingress="http", **paid)
        shown = (await shop.page()).raw.decode()
        assert "Paid. Thank you." in shown
        assert "<form" not in shown
        await shop.send(form)
        assert len(shop.rows(Payment)) == 1

    async def test_a_form_that_is_too_large_or_none_is_refused(self, shop):
        assert (await shop.send({"phone": "0" * 5_000})).code == "body-too-large"
        sent = {"Authorization": None, "Content-Type": "application/json"}
        answer = await shop.api.request("POST", shop.path, headers=sent, data=b"{}")
        assert answer.code == "unsupported-media-type"


@pytest.mark.browser
class TestInABrowser:
    """Chromium, the size of a small telephone, without scripts."""

    async def test_a_payer_pays_and_sees_it(self, shop):
        serving = asyncio.create_task(shop.serve_calls())
        try:
            async with browsing() as page:
                await page.without_scripts()
                await page.go(shop.api.url + shop.path)
                assert "KES 1,160.00" in await page.text()
                wide = "document.documentElement.scrollWidth <= innerWidth"
                assert await page.evaluate(wide)
                await page.evaluate(f"document.getElementById('phone').value = '{PHONE}'")
                await page.evaluate("document.querySelector('button').click()")
                await page.until("document.body.innerText.includes('Look at your telephone')")
                await page.until("document.body.innerText.includes('Paid. Thank you.')")
                assert page.errors == []
                assert all(url.startswith(shop.api.url) for url in page.requests)
        finally:
            serving.cancel()
        [payment] = shop.rows(Payment)
        assert (payment.status, payment.amount) == ("succeeded", 116_000)

    async def test_a_payer_who_cancels_can_try_again(self, shop):
        serving = asyncio.create_task(shop.serve_calls())
        try:
            async with browsing() as page:
                await page.without_scripts()
                await page.go(shop.api.url + shop.path)
                await page.evaluate("document.getElementById('phone').value = '0712345632'")
                await page.evaluate("document.querySelector('button').click()")
                await page.until("document.body.innerText.includes('It was cancelled')")
                assert await page.evaluate("document.querySelectorAll('form').length") == 1
        finally:
            serving.cancel()

"""A local installation with the fakes of every gateway: what README promises, and every trigger.

On the embedded stack; nothing about losing or doubling is claimed here.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import nats
import pytest
import pytest_asyncio

from compose.calling import Accepted, Caller
from compose.local.accounts import temporary_folder
from compose.triggers import NotTriggered, trigger
from compose.up import Local, Running
from web.scopes import ALL

PHONE = "+254712345678"
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]


@dataclass
class Shop:
    """A tenant of an installation with all fakes."""

    running: Running
    caller: Caller
    client: nats.NATS

    async def trigger(self, name: str, **said: str) -> str:
        """Have something happen, as `treasury trigger` does."""
        url = self.running.settings().sandbox_url
        return await trigger(url, name, {"tenant": self.caller.tenant_id, **said})

    async def put(self, name: str, value: dict[str, Any]) -> None:
        """Say something of the tenant in plain words."""
        url = f"{self.running.urls[0]}/api/v1/{self.caller.tenant_id}/configuration/{name}"
        token = self.running.issuer.mint("shop", ALL, subject="ann")
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.put(url, json={"value": value}) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def attempt(self, method: str, **wish: str) -> dict[str, Any]:
        """A payment that is being asked for."""
        intent = await self.caller.done("/payments/intents", **wish)
        phone = {"phone": PHONE} if method == "mpesa" else {}
        about = {"payment_id": intent["payment_id"], "method": method}
        return await self.caller.done("/payments/confirm", **about, **phone)

    async def waits(self, method: str, **wish: str) -> dict[str, Any]:
        """A payment whose payer has to act."""
        payment = await self.attempt(method, **wish)

        async def asked() -> dict[str, Any] | None:
            row = await self.caller.get(f"payments/intents/{payment['payment_id']}")
            return row if row["next_action"] else None

        return await self.caller.until(asked)

    async def becomes(self, payment: dict[str, Any], status: str) -> dict[str, Any]:
        return await self.caller.become("payments/intents", payment["payment_id"], status)

    async def amounts(self, *accounts: str) -> list[str]:
        balances = await self.caller.balances()
        return [balances.get((account, "KES"), "0.00") for account in accounts]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shop() -> AsyncIterator[Shop]:
    with temporary_folder("treasury-sandbox-") as folder:
        local = Local(folder / "home", "embedded", partitions=1, port=0)
        async with Running(local, print) as running, aiohttp.ClientSession() as session:
            await running.ready()
            assert running.endpoints is not None
            client = await nats.connect(running.endpoints.nats)
            caller = Caller(
                session,
                client,
                running.urls[0],
                "shop",
                token=lambda subject: running.issuer.mint("shop", ALL, subject=subject),
                accepted=Accepted(),
            )
            await caller.event("auth.tenant.created", mode="sandbox", name="Shop")
            yield Shop(running, caller, client)
            await client.close()


class TestWhatReadmePromises:
    async def test_an_mpesa_payment_rings_pays_and_is_told(self, shop):
        told = await shop.client.subscribe("treasury.payment.success")
        order = {"order_id": "o-1", "customer_id": "c", "total_amount": 1250}
        await shop.caller.event("cafe.order.created", **order)
        before = await shop.amounts("gateway:mpesa:collection", "receivable")
        payment = await shop.becomes(await shop.attempt("mpesa", order_id="o-1"), "succeeded")
        push = list(shop.running.sandbox.mpesa.book.pushes.values())[-1]
        assert payment["provider_reference"] == push.receipt
        await shop.caller.only("invoices", order_id="o-1", status="paid")
        after = await shop.amounts("gateway:mpesa:collection", "receivable")
        cents = [[int(text.replace(".", "")) for text in texts] for texts in (before, after)]
        assert [b - a for a, b in zip(*cents, strict=True)] == [125_000, -125_000]
        event = json.loads((await told.next_msg(timeout=20)).data)
        assert event["data"]["provider_reference"] == push.receipt


class TestMessages:
    """A customer is told, the service reports, and money knows nothing of it."""

    async def test_reach_who_can_be_reached_and_say_who_could_not(self, shop):
        about = {"customer_id": "wanjiru", "email": "wanjiru@fail.example.test", "phone": PHONE}
        await shop.caller.done("contacts", **about)
        order = {"order_id": "o-told", "customer_id": "wanjiru", "total_amount": 1160}
        await shop.caller.event("cafe.order.created", **order)
        path = "messages?customer_id=wanjiru"

        async def ended() -> list[dict[str, Any]] | None:
            rows: list[dict[str, Any]] = (await shop.caller.get(path))["data"]
            return rows if {row["state"] for row in rows} == {"sent", "failed"} else None

        rows = {row["channel"]: row for row in await shop.caller.until(ended)}
        assert (rows["sms"]["state"], rows["email"]["state"]) == ("sent", "failed")
        assert rows["email"]["reason"] == "550 mailbox unavailable"
        [taken] = shop.running.sandbox.notifications.to(PHONE)
        assert taken.data["amount_text"] == "KES 1,160.00"
        await shop.trigger("notifications.again", request=rows["email"]["request_id"])
        fixed = {**about, "email": "wanjiru@example.com"}
        await shop.caller.done("contacts", **fixed)
        await shop.caller.done(f"messages/{rows['email']['message_id']}/send-again")
        await shop.caller.only(path.partition("?")[0], channel="email", state="sent")
        assert len(shop.running.sandbox.notifications.to("wanjiru@example.com")) == 1

    async def test_name_nobody_in_a_log(self, shop):
        logs = {
            str(path): path.read_text(errors="replace")
            for path in shop.running.local.home.rglob("*.log")
            if path.parent.suffix != ".db"  # a table's own, not a log
        }
        assert any("worker_started" in log for log in logs.values())
        for text in ("wanjiru@", PHONE, PHONE.removeprefix("+")):
            lines = [
                f"{name}: {line[:400]}"
                for name, log in logs.items()
                for line in log.splitlines()
                if text in line
            ]
            assert lines == []


class TestTriggers:
    async def test_a_customer_pays_by_hand(self, shop):
        order = {"order_id": "o-2", "customer_id": "c", "total_amount": 700}
        await shop.caller.event("cafe.order.created", **order)
        about = {"amount": "700", "reference": "o-2", "phone": "254712000111"}
        assert (await shop.trigger("mpesa.paybill", **about)).startswith("receipt T")
        invoice = await shop.caller.only("invoices", order_id="o-2", status="paid")
        assert invoice["outstanding"] == "0.00"

    async def test_a_callback_that_comes_again_changes_nothing(self, shop):
        payment = await shop.becomes(await shop.attempt("mpesa", amount="11"), "succeeded")
        before = await shop.amounts("gateway:mpesa:collection")
        await shop.trigger("mpesa.again", payment=payment["call_id"])
        assert await shop.amounts("gateway:mpesa:collection") == before

    async def test_a_card_is_declined_or_paid_disputed_and_won_or_lost(self, shop):
        payment = await shop.waits("card", amount="20")
        await shop.trigger("stripe.decline", payment=payment["payment_id"])
        declined = await shop.becomes(payment, "requires_action")
        assert declined["failure"] == "insufficient_funds"
        for end in ("won", "lost"):
            payment = await shop.waits("card", amount="30")
            await shop.trigger("stripe.pay", payment=payment["payment_id"])
            await shop.becomes(payment, "succeeded")
            await shop.trigger("stripe.dispute", payment=payment["payment_id"])
            about = {"payment_id": payment["payment_id"]}
            await shop.caller.only("disputes", **about, status="opened")
            await shop.trigger(f"stripe.dispute.{end}", payment=payment["payment_id"])
            await shop.caller.only("disputes", **about, status=end)

    async def test_a_payout_arrives_and_comes_back(self, shop):
        await shop.caller.event(
            "logistics.earnings.calculated", payee_id="p", period="1", gross_amount=20
        )
        legs = [
            {"account": "gateway:stripe:collection", "side": "debit", "amount": "100"},
            {"account": "opening", "side": "credit", "amount": "100"},
        ]
        await shop.caller.done("journals", legs=legs)
        about = {"target": "earnings", "subject_id": "p", "provider": "stripe"}
        payout = await shop.caller.done("payouts", **about)
        payout_id = payout["payout_id"]
        stripe = shop.running.sandbox.stripe

        async def is_there() -> bool:
            return any(each["object"] == "payout" for each in stripe.objects.values())

        await shop.caller.until(is_there)
        await shop.trigger("stripe.payout.paid", payout=payout_id)
        await shop.caller.become("payouts", payout_id, "completed")
        await shop.trigger("stripe.payout.failed", payout=payout_id)
        await shop.caller.become("payouts", payout_id, "returned")
        assert await shop.amounts("earnings:p", "payout:pending") == ["20.00", "0.00"]

    async def test_an_order_is_approved_disputed_and_won_or_lost(self, shop):
        for end in ("won", "lost"):
            payment = await shop.waits("paypal", amount="12.50", currency="USD")
            call = {"payment": payment["call_id"]}
            await shop.trigger("paypal.approve", **call)
            await shop.becomes(payment, "succeeded")
            await shop.trigger("paypal.dispute", **call)
            about = {"payment_id": payment["payment_id"]}
            await shop.caller.only("disputes", **about, status="opened")
            await shop.trigger(f"paypal.dispute.{end}", **call)
            await shop.caller.only("disputes", **about, status=end)

    async def test_an_event_that_is_old_has_us_ask(self, shop):
        payment = await shop.waits("card", amount="40")
        intents = shop.running.sandbox.stripe.objects.values()
        [intent] = [
            i for i in intents if i.get("metadata", {}).get("call_id") == payment["call_id"]
        ]
        shop.running.sandbox.stripe.pay(intent["id"])
        await shop.trigger("stripe.old", payment=payment["payment_id"])
        await shop.becomes(payment, "succeeded")

    async def test_a_payout_of_paypal_that_nobody_claims_comes_back(self, shop):
        payout = await self._payout(shop, "paypal", "q", "a@example.test", currency="USD")
        await shop.trigger("paypal.payout.returned", payout=payout["call_id"])
        await shop.caller.become("payouts", payout["payout_id"], "returned")

    async def test_a_payout_of_mpesa_is_told_again_and_called_late(self, shop):
        payout = await self._payout(shop, "mpesa", "r", PHONE, currency="KES")
        for name in ("mpesa.payout.timeout", "mpesa.payout.again"):
            await shop.trigger(name, payout=payout["call_id"])
        row = await shop.caller.get(f"payouts/{payout['payout_id']}")
        assert (row["status"], row["amount"]) == ("completed", "10.00")

    async def _payout(self, shop, provider, payee, destination, *, currency):
        """A payout that its payee has."""
        earned = {"payee_id": payee, "period": "1", "gross_amount": 10, "currency": currency}
        await shop.caller.event("logistics.earnings.calculated", **earned)
        account = "utility" if provider == "mpesa" else "collection"
        about = {"amount": "100", "currency": currency}
        legs = [
            {"account": f"gateway:{provider}:{account}", "side": "debit", **about},
            {"account": "opening", "side": "credit", **about},
        ]
        await shop.caller.done("journals", legs=legs)
        wish = {"target": "earnings", "subject_id": payee, "currency": currency}
        payout = await shop.caller.done(
            "payouts", provider=provider, destination=destination, **wish
        )
        return await shop.caller.become("payouts", payout["payout_id"], "completed")

    async def test_a_payer_decides_on_paypals_own_page_and_comes_back(self, shop):
        payment = await shop.waits("paypal", amount="7.00", currency="USD")
        async with aiohttp.ClientSession() as session:
            async with session.get(payment["next_action"]) as page:
                assert "USD 7.00" in await page.text()
            sent = {"decision": "return"}
            async with session.post(payment["next_action"], data=sent) as back:
                assert (back.status, "Thank you" in await back.text()) == (200, True)
        await shop.becomes(payment, "succeeded")

    async def test_a_bank_tells_of_money_and_its_statement_shows_all(self, shop):
        order = {"order_id": "o-bank", "customer_id": "c", "total_amount": 900}
        await shop.caller.event("cafe.order.created", **order)
        await shop.trigger("jenga.deposit", amount="900", reference="o-bank")
        await shop.caller.only("invoices", order_id="o-bank", status="paid")
        await shop.trigger("jenga.charge", amount="55")
        day = datetime.now(ZoneInfo("Africa/Nairobi")).date()
        days = {"from": str(day - timedelta(days=1)), "to": str(day)}
        for _ in range(2):
            await shop.caller.done("connectors/jenga/statement", values=days)
        paid = await shop.caller.only("statement-lines", account="bank:jenga", amount="900.00")
        assert (paid["status"], paid["rule"]) == ("matched", "receipt")
        fee = await shop.caller.only("statement-lines", account="bank:jenga", amount="-55.00")
        assert fee["exception"] == "unmatched_debit"
        await shop.caller.done(f"statement-lines/{fee['line_id']}/resolve", account="fees:bank")
        assert await shop.amounts("bank:jenga", "fees:bank") == ["845.00", "55.00"]

    async def test_kcb_tells_of_money_and_of_a_transfer(self, shop):
        order = {"order_id": "o-kcb", "customer_id": "c", "total_amount": 700}
        await shop.caller.event("cafe.order.created", **order)
        await shop.trigger("buni.deposit", amount="700", reference="o-kcb")
        await shop.caller.only("invoices", order_id="o-kcb", status="paid")
        earned = {"payee_id": "kcb", "period": "1", "gross_amount": 500}
        await shop.caller.event("logistics.earnings.calculated", **earned)
        wish = {"target": "earnings", "subject_id": "kcb", "provider": "buni"}
        payout = await shop.caller.done("payouts", destination="bank:1234567", **wish)
        transfers = shop.running.sandbox.buni.transfers

        async def asked() -> bool:
            return payout["call_id"] in transfers and bool(transfers[payout["call_id"]].told)

        await shop.caller.until(asked)
        await shop.trigger("buni.transfer", payout=payout["call_id"])
        done = await shop.caller.become("payouts", payout["payout_id"], "completed")
        assert done["provider_reference"] == transfers[payout["call_id"]].receipt
        assert await shop.amounts("bank:buni") == ["200.00"]

    async def test_a_payer_pays_on_a_chain_which_then_changes_its_mind(self, shop):
        wallet = f"0x{'5a' * 20}"
        await shop.put("polygon", {"wallets": [wallet]})
        order = {"order_id": "o-chain", "customer_id": "c", "total_amount": 1160}
        await shop.caller.event("cafe.order.created", **order)
        wish = {"amount": "9", "currency": "USDC", "quoted_amount": "1160"}
        payment = await shop.waits("polygon", order_id="o-chain", **wish)
        assert payment["next_action"].endswith("&uint256=9000000")
        said = await shop.trigger("chain.transfer", request=payment["next_action"])
        transaction = said.removeprefix("transaction ")
        payment = await shop.becomes(payment, "succeeded")
        assert payment["provider_reference"] == f"{transaction}:0"
        await shop.caller.only("invoices", order_id="o-chain", status="paid")

        async def answered() -> bool:
            about = f"payments/intents/{payment['payment_id']}/attempts"
            [attempt] = (await shop.caller.get(about))["data"]
            return bool(attempt["outcome"] == "succeeded")

        await shop.caller.until(answered)
        await shop.trigger("chain.reorg.again", transaction=transaction)

        async def again() -> bool:
            row = await shop.caller.get(f"payments/intents/{payment['payment_id']}")
            return bool(row["received"] == "18.000000" and row["taken_back"] == "9.000000")

        await shop.caller.until(again)
        await shop.caller.only("invoices", order_id="o-chain", status="paid")
        await shop.trigger("chain.reorg", transaction=transaction)

        async def gone() -> bool:  # of balances, which are as committed: lists may lag behind
            balances = await shop.caller.balances()
            return balances.get(("crypto:polygon:USDC", "USDC"), "0.000000") == "0.000000"

        await shop.caller.until(gone)
        await shop.caller.only("invoices", order_id="o-chain", status="open")

    async def test_what_has_nothing_to_happen_to_says_so(self, shop):
        for name, about in (
            ("stripe.pay", {"payment": "nobody's"}),
            ("paypal.approve", {"payment": "nobody's"}),
            ("mpesa.again", {"payment": "nobody's"}),
            ("mpesa.payout.again", {"payout": "nobody's"}),
            ("mpesa.payout.timeout", {"payout": "nobody's"}),
            ("paypal.payout.returned", {"payout": "nobody's"}),
            ("mpesa.paybill", {"amount": "1.50", "reference": "", "phone": "254712000111"}),
            ("jenga.deposit", {"amount": "1.50", "reference": ""}),
            ("jenga.charge", {"amount": "0"}),
            ("buni.deposit", {"amount": "1.50", "reference": ""}),
            ("buni.transfer", {"payout": "nobody's"}),
            ("chain.transfer", {"request": "ethereum:nobody"}),
            ("chain.transfer", {"request": f"ethereum:0x{'11' * 20}@1?value=1"}),
            ("chain.reorg", {"transaction": "0x00"}),
            ("chain.reorg.again", {"transaction": "0x00"}),
            ("notifications.again", {"request": "nobody's"}),
        ):
            with pytest.raises(NotTriggered):
                await shop.trigger(name, **about)
        with pytest.raises(NotTriggered, match="unknown trigger"):
            await shop.trigger("mpesa.rain")
        with pytest.raises(NotTriggered, match="local installation"):
            await trigger("", "stripe.pay", {})

    async def test_a_tenant_that_nobody_has_told_us_of_is_looked_up(self, shop):
        url = shop.running.settings().sandbox_url
        await trigger(url, "auth.tenant", {"tenant": "newcomer", "name": "New Café"})
        async with aiohttp.ClientSession() as session:
            newcomer = Caller(
                session,
                shop.client,
                shop.running.urls[0],
                "newcomer",
                token=lambda _: shop.running.token("newcomer"),
                accepted=Accepted(),
            )
            order = {"order_id": "o", "customer_id": "c", "total_amount": 5000}
            event_id = await newcomer.say("cafe.order.created", order)
            entries = await newcomer.entries_of(event_id, at_least=2)
            assert {entry["status"] for entry in entries} == {"parked", "applied"}

    async def test_each_is_tried_here(self, shop):
        tried = {
            *("mpesa.paybill", "mpesa.again", "mpesa.payout.again", "mpesa.payout.timeout"),
            *("stripe.pay", "stripe.decline", "stripe.old", "stripe.dispute"),
            *("stripe.dispute.won", "stripe.dispute.lost", "buni.deposit", "buni.transfer"),
            *("stripe.payout.paid", "stripe.payout.failed", "paypal.approve"),
            *("paypal.dispute", "paypal.dispute.won", "paypal.dispute.lost"),
            *("paypal.payout.returned", "jenga.deposit", "jenga.charge"),
            *("chain.transfer", "chain.reorg", "chain.reorg.again"),
            *("notifications.again", "auth.tenant"),
        }
        assert set(shop.running.sandbox.triggers.all) == tried


class TestTaxDocuments:
    async def test_are_signed_while_their_receipt_waits_and_rejected_ones_are_mended(self, shop):
        """An invoice, a sale at a till, a credit note; A39 as people see it."""
        books, caller = shop.running.sandbox.kra.documents, shop.caller
        await caller.done(
            "settings", settings={"tax_registered": True, "etims": {"*": "07", "kiosk": "08"}}
        )
        invoice = await caller.done("/invoices", customer_id="c", amount="1160.00")
        path = f"tax-documents/{invoice['tax_document_id']}"
        document = await caller.get(f"{path}?wait_s=10")
        assert (document["status"], document["number"]) == ("declared", 1)
        assert (document["amount"], document["tax"]) == ("1160.00", "160.00")
        [told] = books["07"]
        assert (told.signature, told.total, told.tax) == (document["signature"], 116_000, 16_000)
        assert document["qr"].endswith(f"07{told.signature}")
        tenders = [{"method": "cash", "amount": 100}, {"method": "mpesa", "amount": 132}]
        sale = {"order_id": "o-kiosk", "outlet_id": "kiosk", "total_amount": 232}
        await caller.event("pos.order.completed", **sale, tenders=tenders)
        sold = await caller.only("tax-documents", order_id="o-kiosk", status="declared")
        assert (sold["branch"], sold["number"], sold["payment"]) == ("08", 1, "mixed")
        wrong = await caller.done(
            "/invoices", customer_id="c", amount="116.00", customer_pin="P000000000Z"
        )
        bad = await caller.become("tax-documents", wrong["tax_document_id"], "rejected")
        assert bad["detail"] == "910: Customer PIN not registered on eTIMS"
        await caller.only("invoices", amount="116.00", tax_status="rejected")
        await caller.done(f"invoices/{invoice['invoice_id']}/credit", amount="116.00")
        note = await caller.only("tax-documents", kind="credit_note", status="declared")
        assert (note["number"], note["original_id"]) == (2, document["document_id"])
        mend = f"tax-documents/{bad['document_id']}/declare"
        await caller.done(mend, customer_pin="P051234567Z")
        mended = await caller.become("tax-documents", bad["document_id"], "declared")
        assert mended["number"] == 3
        assert [each.original for each in books["07"]] == [0, 1, 0]

    async def test_come_to_a_return_that_a_person_files(self, shop):
        [first, *_] = (await shop.caller.get("tax-documents"))["data"]
        month = first["day"][:7]
        row = await shop.caller.get(f"vat-returns/{month}")
        declared = sum(
            each.tax if each.kind == "S" else -each.tax
            for book in shop.running.sandbox.kra.documents.values()
            for each in book
        )
        assert row["reckoned"]["output_tax"] == f"{declared / 100:.2f}"
        assert (row["status"], row["documents"]) == ("open", 4)
        refused = await shop.caller.refused("tax-returns", tax="vat", period=month, boxes={})
        assert refused == "period_open"

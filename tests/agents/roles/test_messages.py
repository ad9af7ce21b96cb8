"""Payers are told once by each channel, whatever fails; and nothing else waits for that."""

import asyncio
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from structlog.testing import capture_logs

from agents.roles import carrier
from agents.roles.messages import KEY_KNOWN_FOR, NEWS_FOR, RETRY_AFTER
from connectors.notifications.fake import Fault
from tables.postgres.contacts import remove_contact
from tables.postgres.messages import send_again
from tables.postgres.pool import tenant_transaction
from tests.agents.roles.payers import EMAIL, PAGES, PHONE
from tests.agents.roles.test_secret_store import put


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(carrier, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(carrier, "GATHER_S", 0.05)


class TestAnInvoice:
    async def test_is_told_once_by_each_channel_and_says_where_its_page_is(self, world):
        await world.command("settings.change", settings={"payment_links": True})
        await world.contact()
        await world.order()
        async with world.carrying():
            await world.until_states(accepted=2)
        [mail], [text] = world.fake.to(EMAIL), world.fake.to(PHONE)
        assert (mail.tenant, mail.channel, mail.template) == ("alpha", "email", "invoice_created")
        event_id = (await world.rows())[0]["event_id"]
        assert {mail.key, text.key} == {f"{event_id}.email", f"{event_id}.sms"}
        assert mail.data["amount_text"] == "KES 1,160.00"
        assert mail.data["seller"] == "Alpha"
        assert mail.data["customer_name"] == "Wanjiru Kamau"
        assert mail.data["pay_url"].startswith(f"{PAGES}/pay/")
        assert mail.data["invoice_url"] == f"{mail.data['pay_url']}/invoice"

    async def test_of_a_customer_nobody_knows_is_told_to_nobody(self, world):
        await world.contact(customer="somebody else")
        await world.contact(tenant="beta")  # another tenant's customer of the same name
        await world.order()
        async with world.carrying():
            await world.until_read()
        assert await world.rows() == []

    async def test_of_a_till_is_not_told(self, world):
        await world.contact()
        tender = {"method": "mpesa", "amount": 100}
        await world.hear(
            "pos.order.completed",
            order_id="o-9",
            customer_id="c-1",
            outlet_id="w",
            total_amount=100,
            tenders=[tender],
        )
        async with world.carrying():
            await world.until_read()
        assert await world.rows() == []

    async def test_by_no_channel_that_the_customer_does_not_want(self, world):
        await world.contact(channels=("sms",))
        await world.order()
        async with world.carrying():
            await world.until_states(accepted=1)
        assert world.fake.to(EMAIL) == []

    async def test_that_is_old_news_is_told_to_nobody(self, world):
        await world.contact()
        await world.order()
        world.let_time_pass(days=NEWS_FOR.days + 1)
        async with world.carrying():
            await world.until_read()
        assert await world.rows() == []

    async def test_whose_type_is_left_to_whoever_hears_events_is_not_told(self, world):
        await world.contact()
        await world.order()
        async with world.carrying(told=["treasury.payment.success"]):
            await world.until_read()
        assert await world.rows() == []

    async def test_is_told_once_whatever_restarts(self, world):
        await world.contact()
        for number in range(3):
            await world.order(number)
            async with world.carrying():
                await world.until_states(accepted=2 * (number + 1))
        assert (
            Counter(taken.key for taken in world.fake.messages.values()).most_common(1)[0][1] == 1
        )
        assert len(world.fake.messages) == 6


class TestAPayment:
    async def test_is_told_to_the_customer_of_its_invoice(self, world):
        await world.contact(channels=("email",))
        await world.order()
        await world.pay()
        async with world.carrying():
            await world.until_states(accepted=2)
        told = {taken.template: taken for taken in world.fake.to(EMAIL)}
        assert set(told) == {"invoice_created", "payment_receipt"}
        assert told["payment_receipt"].data["amount_text"] == "KES 1,160.00"
        assert told["payment_receipt"].data["number"] == "o-1"

    async def test_that_failed_is_not_told_once_it_succeeded(self, world):
        await world.contact(channels=("email",))
        await world.order()
        made = await world.command("payment_intent.create", order_id="o-1")
        said = {"payment_id": made["payment_id"], "method": "mpesa", "phone": PHONE}
        call = (await world.command("payment.confirm", **said))["call_id"]
        about = {"ingress": "internal", "call_id": call, "nonce": "n"}
        await world.hear("treasury.call.granted", valid_for_ms=5_000, **about)
        await world.hear("treasury.call.completed", outcome="failed", failure="cancelled", **about)
        paid = {"payment_id": made["payment_id"], "method": "cash"}
        await world.command("payment.confirm", **paid)
        async with world.carrying():
            await world.until_states(accepted=2, withdrawn=1)
        assert {taken.template for taken in world.fake.to(EMAIL)} == {
            "invoice_created",
            "payment_receipt",
        }


class TestAReminder:
    async def test_asks_before_the_day_and_duns_after_it(self, world):
        """By the clock of a sandbox, through the real calendar."""
        await world.hear("auth.tenant.created", "gamma", name="G", currency="KES", mode="sandbox")
        await world.command("settings.change", "gamma", settings={"payment_terms_days": 10})
        await world.contact(tenant="gamma", channels=("email",))
        await world.order(tenant="gamma")
        async with world.carrying():
            await world.until_states(accepted=1)
            for days in (8, 3, 3):
                said = {"ingress": "http", "actor": "a", "days": days}
                await world.hear("treasury.command.clock.advance", "gamma", **said)
                await self.until_over(world)
        told = [taken.template for taken in world.fake.to(EMAIL)]
        assert told[:3] == ["invoice_created", "payment_reminder", "payment_reminder"]
        assert "dunning" in told
        last = world.fake.to(EMAIL)[-1]
        assert (last.data["overdue"], last.data["outstanding_text"]) == (True, "KES 1,160.00")

    async def until_over(self, world):
        await world.until_read()

        async def over():
            return all(row["state"] != "pending" for row in await world.rows())

        await world.until(over)

    async def test_is_not_sent_to_who_has_paid_meanwhile(self, world):
        await world.contact(channels=("email",))
        await world.order()
        world.fake.faults.append(Fault(status=429, retry_after_s=60))
        async with world.carrying():
            await world.until_states(pending=1)
            await world.database.owner.execute("UPDATE messages SET template = 'payment_reminder'")
            await world.pay()
            world.let_time_pass(minutes=2)
            await world.until_states(withdrawn=1, accepted=1)
        assert [taken.template for taken in world.fake.to(EMAIL)] == ["payment_receipt"]


class TestTrouble:
    async def test_too_many_wait_as_long_as_asked_and_hold_up_no_other_lane(self, world):
        await world.contact()
        await world.contact(tenant="beta", email="beta@example.com", phone="")
        world.fake.limits["email"] = 1
        await world.order()
        await world.order(2)
        await world.order(3, tenant="beta")
        async with world.carrying():
            await world.until(lambda: self.counted(world, accepted=4, pending=1))
            assert len(world.fake.to(PHONE)) == 2
            assert len(world.fake.to(EMAIL)) == 1
            assert len(world.fake.to("beta@example.com")) == 1
            asked = len(world.fake.requests)
            world.let_time_pass(hours=23)
            await world.order(4)  # nobody tries its mail, as long as its lane rests
            await world.until(lambda: self.counted(world, accepted=5, pending=2))
            await asyncio.sleep(0.5)
            assert len(world.fake.requests) == asked + 1
            world.fake.next_day()
            world.fake.limits.clear()
            world.let_time_pass(hours=2)
            await world.until_states(accepted=7)
        assert len(world.fake.to(EMAIL)) == 3

    async def counted(self, world, **wanted):
        return Counter(row["state"] for row in await world.rows()) == Counter(wanted)

    async def test_without_credit_it_is_tried_for_a_while_and_parked(self, world):
        await world.contact(channels=("sms",))
        world.fake.broke.add("alpha")
        await world.order()
        async with world.carrying():
            for attempts, pause in enumerate(RETRY_AFTER, 1):
                await world.until(partial(world.tried, attempts))
                world.clock.now += pause
            await world.until_states(parked=1)
        [row] = await world.rows()
        assert (row["reason"], row["attempts"]) == ("no_credit", len(RETRY_AFTER) + 1)
        assert row["doubtful_since"] is None

    async def test_what_the_service_refuses_is_parked_at_once_and_the_next_one_goes(self, world):
        await world.contact(channels=("email",))
        world.fake.faults.append(Fault(status=400))
        await world.order()
        async with world.carrying():
            await world.until_states(parked=1)
            await world.order(2)
            await world.until_states(parked=1, accepted=1)
        assert ("parked", "status 400: Fault") in await world.states()

    async def test_without_an_answer_it_is_repeated_under_its_key(self, world):
        await world.contact(channels=("email",))
        world.fake.faults.append(Fault(status=502, after=True))
        await world.order()
        async with world.carrying():
            await world.until(partial(world.tried, 1))
            [row] = await world.rows()
            assert row["doubtful_since"] is not None
            world.let_time_pass(seconds=6)
            await world.until_states(accepted=1)
        assert len({key for _, key in world.fake.requests}) == 1
        assert len(world.fake.to(EMAIL)) == 1

    async def test_is_not_repeated_once_its_key_may_be_forgotten(self, world):
        """Of a worker that died after the sending, too, and wrote down nothing more."""
        await world.contact(channels=("email",))
        world.fake.faults.append(Fault(delay_s=10))
        await world.order()
        async with world.carrying():
            await world.until(world.taken)
        assert await world.tried(0)
        world.clock.now += KEY_KNOWN_FOR + timedelta(minutes=1)
        async with world.carrying():
            await world.until_states(parked=1)
        assert await world.states() == Counter({("parked", "unknown"): 1})
        assert len(world.fake.requests) == 1

    async def test_nobody_is_written_to_whose_address_was_erased(self, world):
        await world.contact(channels=("email",))
        world.fake.faults.append(Fault(status=429, retry_after_s=60))
        await world.order()
        async with world.carrying():
            await world.until(partial(world.tried, 1))
            async with tenant_transaction(world.database.app, "alpha") as connection:
                assert await remove_contact(connection, "alpha", "c-1")
            world.let_time_pass(minutes=2)
            await world.until_states(parked=1)
        assert await world.states() == Counter({("parked", "no_contact"): 1})
        assert world.fake.to(EMAIL) == []

    async def test_a_wrong_key_is_said_and_a_tenants_own_counts(self, world):
        await put(world.database, "alpha", "notifications.api_key", "wrong")
        await world.contact(channels=("email",))
        await world.contact(tenant="beta", channels=("email",))
        await world.order()
        await world.order(2, tenant="beta")
        async with world.carrying():

            async def said():
                return await world.states() == Counter(
                    {("pending", "not_configured"): 1, ("accepted", ""): 1}
                )

            await world.until(said)

    async def test_no_address_is_kept_with_a_message_or_said_in_a_log(self, world):
        await world.contact()
        world.fake.faults += [Fault(status=502), Fault(status=400), Fault(drop=True)]
        with capture_logs() as said:
            await world.order()
            async with world.carrying():
                await world.until(lambda: self.counted(world, parked=1, pending=1))
        rows = [dict(row) for row in await world.rows()]
        for text in (EMAIL, PHONE, PHONE.removeprefix("+"), "Wanjiru"):
            assert text not in repr(said)
            assert text not in repr(rows)


class TestAReport:
    async def test_says_how_a_message_ended(self, world):
        await world.contact(email="gone@fail.example.test")
        await world.order()
        async with world.carrying():
            await world.until_states(accepted=2)
        for request_id in list(world.fake.messages):
            assert await world.reported(request_id)
            assert await world.reported(request_id)  # again, it changes nothing
        assert await world.states() == Counter(
            {("sent", ""): 1, ("failed", "550 mailbox unavailable"): 1}
        )

    async def test_ends_an_attempt_that_nobody_answered(self, world):
        await world.contact(channels=("email",))
        world.fake.faults.append(Fault(status=502, after=True))
        await world.order()
        async with world.carrying():
            await world.until(partial(world.tried, 1))
            [request_id] = world.fake.messages
            assert await world.reported(request_id)
            world.let_time_pass(hours=1)
            await asyncio.sleep(0.5)
        assert await world.states() == Counter({("sent", ""): 1})
        assert len(world.fake.requests) == 1

    async def test_of_another_message_is_not_of_one_that_was_never_begun(self, world):
        """Two reminders of one invoice: the report of one says nothing of the other."""
        await world.contact(channels=("email",))
        await world.order()
        async with world.carrying():
            await world.until_states(accepted=1)
        [request_id] = world.fake.messages
        await world.database.owner.execute(
            "UPDATE messages SET state = 'pending', request_id = '', history = '[]'"
        )
        assert not await world.reported(request_id)
        assert await world.states() == Counter({("pending", ""): 1})
        await world.database.owner.execute("UPDATE messages SET doubtful_since = now()")
        assert await world.reported(request_id)
        assert await world.states() == Counter({("sent", ""): 1})

    async def test_that_is_quicker_than_the_answer_stays(self, world):
        await world.contact(channels=("email",))
        world.fake.faults.append(Fault(delay_s=1.5))
        await world.order()
        async with world.carrying():
            await world.until(world.taken)
            [request_id] = world.fake.messages
            assert await world.reported(request_id)
            await world.until(partial(world.tried, 1))
        assert await world.states() == Counter({("sent", ""): 1})

    async def test_about_nothing_of_ours_is_nothing(self, world):
        await world.contact(channels=("email",))
        await world.order()
        async with world.carrying():
            await world.until_states(accepted=1)
        await world.database.owner.execute("UPDATE messages SET tenant_id = 'beta'")
        [request_id] = world.fake.messages
        assert not await world.reported(request_id)

    async def test_of_failure_lets_it_be_sent_anew_under_another_key(self, world):
        await world.contact(email="gone@fail.example.test", channels=("email",))
        await world.order()
        async with world.carrying():
            await world.until_states(accepted=1)
            [first] = world.fake.messages
            await world.reported(first)
            await world.contact(channels=("email",))
            [row] = await world.rows()
            async with tenant_transaction(world.database.app, "alpha") as connection:
                key = row["event_id"], "email"
                assert await send_again(connection, "alpha", *key, world.clock())
                assert await send_again(connection, "alpha", *key, world.clock()) is None
            await world.until_states(accepted=1)
            await world.database.owner.execute(
                "UPDATE messages SET request_id = '', doubtful_since = now()"
            )
            assert not await world.reported(first)  # told again, of the round before
        [taken] = world.fake.to(EMAIL)
        assert taken.key == f"{row['event_id']}.email.1"

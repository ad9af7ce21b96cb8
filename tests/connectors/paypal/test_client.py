"""The client and the reader of its answers against PayPal's fake, whose book is the witness."""

import asyncio
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from connectors.base import Ambiguous, NotSent, Refused, TurnedAway
from connectors.http import open_session
from connectors.paypal import client as paypal
from connectors.paypal import translate
from connectors.paypal.client import Client, action
from connectors.paypal.config import Config
from connectors.paypal.fake import FakePayPal, Fault
from connectors.paypal.signature import BadSignature, Trust, age_of, transmission_of
from connectors.paypal.translate import Wish

URLS = ("https://x.example/r", "https://x.example/c")


@pytest_asyncio.fixture
async def fake():
    async with FakePayPal() as fake:
        yield fake


@pytest_asyncio.fixture
async def session():
    async with open_session(total_s=1) as session:
        yield session


@pytest.fixture
def client(fake, session) -> Client:
    return Client(session, Config.read(fake.configuration))


async def ordered(client, amount="10.00", key="call-1") -> str:
    """An order; its id."""
    body = translate.order(Wish(amount, "USD"), key, *URLS)
    answer = await client.post(paypal.ORDERS, body, key)
    assert answer.status in {200, 201}
    return translate.order_result(answer.body).handle


async def captured(client, order_id, key="call-1-capture"):
    return await client.post(action(paypal.ORDERS, order_id, "capture"), {}, key)


class TestTokens:
    async def test_many_requests_at_once_share_one(self, client, fake):
        await asyncio.gather(*(ordered(client, key=f"call-{n}") for n in range(10)))
        assert fake.tokens == 1

    async def test_that_ended_early_are_renewed_once(self, client, fake):
        await ordered(client)
        fake.tokens += 1
        await ordered(client, key="call-2")
        assert fake.tokens == 3

    async def test_that_cannot_be_had_mean_that_nothing_was_sent(self, session, fake):
        wrong = Config.read({**fake.configuration, "client_secret": "wrong"})
        with pytest.raises(Refused) as refused:
            await ordered(Client(session, wrong))
        assert "wrong" not in str(refused.value)
        away = Config.read({**fake.configuration, "base_url": "http://127.0.0.1:1"})
        with pytest.raises(NotSent):
            await ordered(Client(session, away))
        assert fake.orders == {}


class TestOrders:
    async def test_are_made_once_under_one_request_id(self, client, fake):
        assert await ordered(client) == await ordered(client)
        assert len(fake.orders) == 1

    async def test_are_paid_once_their_payer_approved_and_they_are_captured(self, client, fake):
        order_id = await ordered(client)
        refused = await captured(client, order_id)
        assert "ORDER_NOT_APPROVED" in translate.issues_of(refused.body)
        fake.approve(order_id)
        found = await client.get(paypal.ORDERS, order_id)
        assert translate.order_result(found.body).outcome == "pending"
        result = translate.order_result((await captured(client, order_id)).body)
        assert (result.outcome, result.amount_minor, result.asset) == ("succeeded", 1_000, "USD")
        assert [capture["id"] for capture in fake.captured] == [result.provider_reference]

    async def test_captured_already_are_looked_at_again(self, client, fake):
        order_id = await ordered(client)
        fake.approve(order_id)
        await captured(client, order_id)
        refused = await captured(client, order_id, key="another")
        assert "ORDER_ALREADY_CAPTURED" in translate.issues_of(refused.body)
        found = await client.get(paypal.ORDERS, order_id)
        assert translate.order_result(found.body).outcome == "succeeded"
        assert len(fake.captured) == 1

    @pytest.mark.parametrize(("amount", "outcome"), [("10.17", "pending"), ("10.13", "refused")])
    async def test_that_are_completed_may_be_unpaid(self, client, fake, amount, outcome):
        order_id = await ordered(client, amount)
        fake.approve(order_id)
        answer = await captured(client, order_id)
        if outcome == "refused":
            assert "INSTRUMENT_DECLINED" in translate.issues_of(answer.body)
        else:
            assert translate.order_result(answer.body).outcome == outcome
        assert fake.captured == []

    @pytest.mark.parametrize(
        ("fault", "done"),
        [
            (Fault(status=500, after=True), 1),
            (Fault(status=503), 0),
            (Fault(drop=True, after=True), 1),
        ],
    )
    async def test_an_answer_that_is_none_leaves_it_open_and_a_repeat_is_the_same(
        self, client, fake, fault, done
    ):
        fake.faults.append(fault)
        with pytest.raises(Ambiguous):
            await ordered(client)
        assert len(fake.orders) == done
        await ordered(client)
        assert len(fake.orders) == 1

    async def test_to_ask_too_often_is_to_be_turned_away(self, client, fake):
        fake.faults.append(Fault(status=429))
        with pytest.raises(TurnedAway):
            await ordered(client)
        assert fake.orders == {}

    async def test_refunds_are_never_more_than_came(self, client, fake):
        order_id = await ordered(client)
        fake.approve(order_id)
        paid = translate.order_result((await captured(client, order_id)).body)
        path = action(paypal.CAPTURES, paid.provider_reference, "refund")
        for key, amount, status in (("r1", "6.00", 201), ("r2", "4.00", 201), ("r3", "0.01", 422)):
            answer = await client.post(path, translate.refund(Wish(amount, "USD"), key), key)
            assert answer.status == status
        assert len(fake.refunds) == 2


class TestPayouts:
    async def pay(self, client, receiver="a@example.test", key="call-1"):
        body = translate.payout(Wish("5.00", "USD", receiver), key)
        return await client.post(paypal.PAYOUTS, body, key)

    async def test_are_taken_once_under_their_batch(self, client, fake):
        assert (await self.pay(client)).status == 201
        again = await self.pay(client)
        assert "DUPLICATE_SENDER_BATCH_ID" in translate.issues_of(again.body)
        assert len(fake.items) == 1

    @pytest.mark.parametrize(
        ("receiver", "outcome"),
        [
            ("a@example.test", "succeeded"),
            ("unclaimed@example.test", "pending"),
            ("failed@example.test", "failed"),
        ],
    )
    async def test_stand_as_their_item_does(self, client, fake, receiver, outcome):
        batch_id = translate.batch_of((await self.pay(client, receiver)).body)
        found = await client.get(paypal.PAYOUTS, batch_id)
        assert len(fake.items) == 1
        assert translate.batch_result(found.body).outcome == outcome

    async def test_to_a_receiver_that_is_none_are_refused_whole(self, client, fake):
        answer = await self.pay(client, "nobody")
        assert translate.issues_of(answer.body)[0] == "VALIDATION_ERROR"
        assert fake.items == {}


class TestWebhooks:
    async def test_are_signed_under_its_own_root(self, client, fake):
        order_id = await ordered(client)
        fake.approve(order_id)
        await captured(client, order_id)
        [capture] = fake.captured
        body, headers = fake.event("PAYMENT.CAPTURE.COMPLETED", "capture", capture)
        trust = Trust(fake.webhook_id, [fake.root])
        sent = transmission_of(headers, near=fake.base_url)
        assert age_of(sent, body, fake.certificate, trust, datetime.now(UTC)) == "fresh"
        told = translate.event_of(body)
        assert (told.call_id, told.result.outcome) == ("call-1", "succeeded")
        with pytest.raises(BadSignature):
            age_of(sent, body + b" ", fake.certificate, trust, datetime.now(UTC))
        event_id = trust._replace(webhook_id=told.event_id)
        with pytest.raises(BadSignature):
            age_of(sent, body, fake.certificate, event_id, datetime.now(UTC))

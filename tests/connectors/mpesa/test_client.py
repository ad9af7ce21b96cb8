"""The client and the reader of its answers against Daraja's fake, whose book is the witness."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.base import Ambiguous, NotSent, Refused
from connectors.http import open_session
from connectors.mpesa import client as daraja
from connectors.mpesa import translate
from connectors.mpesa.client import Client
from connectors.mpesa.codes import refusal_of
from connectors.mpesa.config import Config
from connectors.mpesa.credential import security_credential
from connectors.mpesa.fake import FakeDaraja
from connectors.mpesa.fake_book import Fault
from connectors.mpesa.translate import ToldAt, Wish


class Clock:
    now_s = 1_000.0

    def __call__(self):
        return self.now_s


class Receiver:
    """Where results are told: the bodies, in order."""

    def __init__(self):
        self.bodies: list[bytes] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        return web.json_response({"ResultCode": 0, "ResultDesc": "Accepted"})


@pytest.fixture
def clock():
    return Clock()


@pytest_asyncio.fixture
async def receiver():
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/told", receiver.take)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/told"))
        yield receiver


@pytest_asyncio.fixture
async def fake():
    async with FakeDaraja() as fake:
        yield fake


@pytest_asyncio.fixture
async def session():
    async with open_session(total_s=1) as session:
        yield session


@pytest.fixture
def config(fake) -> Config:
    return Config.read(fake.configuration)


@pytest.fixture
def client(session, config, clock) -> Client:
    return Client(session, config, monotonic_s=clock)


async def push(client, config, receiver, phone="0708374149", amount="1500"):
    wish = Wish(amount, phone=phone, reference="INV1")
    body = translate.stk_push(config, wish, datetime.now(UTC), receiver.url)
    return await client.post(daraja.STK_PUSH, body)


async def query(client, config, handle):
    body = translate.stk_query(config, handle, datetime.now(UTC))
    return await client.post(daraja.STK_QUERY, body)


def meaning(answer) -> str:
    return refusal_of(answer.status, *translate.error_of(answer.body))


class TestTokens:
    async def test_many_requests_at_once_share_one(self, client, config, receiver, fake):
        answers = await asyncio.gather(*(push(client, config, receiver) for _ in range(20)))
        assert {answer.status for answer in answers} == {200}
        assert fake.tokens == 1

    @pytest.mark.parametrize("lives", ["3599", 3599])
    async def test_are_renewed_a_minute_before_their_end(self, session, receiver, clock, lives):
        async with FakeDaraja(token_lives=lives) as fake:
            config = Config.read(fake.configuration)
            client = Client(session, config, monotonic_s=clock)
            await push(client, config, receiver)
            clock.now_s += 3_538
            await push(client, config, receiver)
            assert fake.tokens == 1
            clock.now_s += 2
            await push(client, config, receiver)
            assert fake.tokens == 2

    async def test_that_ended_early_are_renewed_once(self, client, config, receiver, fake):
        await push(client, config, receiver)
        fake.tokens += 1  # somebody else asked for one
        assert (await push(client, config, receiver)).status == 200
        assert fake.tokens == 3
        assert len(fake.book.pushes) == 2

    async def test_that_are_refused_again_are_an_error(self, client, config, receiver, fake):
        stale = Fault(404, "404.001.03", "Invalid Access Token")
        fake.faults[daraja.STK_PUSH].extend([stale, stale])
        with pytest.raises(Refused):
            await push(client, config, receiver)
        assert fake.tokens == 2
        assert fake.book.pushes == {}

    async def test_that_cannot_be_had_mean_that_nothing_was_sent(self, session, fake, receiver):
        wrong = Config.read({**fake.configuration, "consumer_secret": "wrong"})
        with pytest.raises(Refused) as refused:
            await push(Client(session, wrong), wrong, receiver)
        assert "wrong" not in str(refused.value)
        assert fake.requests == []

    async def test_from_nowhere_are_not_sent(self, session, fake, receiver):
        away = Config.read({**fake.configuration, "base_url": "http://127.0.0.1:1"})
        with pytest.raises(NotSent):
            await push(Client(session, away), away, receiver)


class TestCollecting:
    async def test_a_push_that_is_paid_is_told_with_its_receipt(
        self, client, config, receiver, fake
    ):
        ack = translate.ack_of((await push(client, config, receiver)).body)
        await fake.told()
        [body] = receiver.bodies
        told = translate.stk_callback(body)
        result = translate.result_of(told)
        assert (told.handle, result.outcome, result.amount_minor) == (
            ack.handle,
            "succeeded",
            150_000,
        )
        assert fake.book.pushes[ack.handle].receipt == result.provider_reference
        assert fake.book.received == 1_500

    @pytest.mark.parametrize(
        ("last", "callback", "asked"),
        [
            ("01", "failed", "failed"),
            ("32", "failed", "failed"),
            ("37", "pending", "failed"),
            ("98", "pending", "succeeded"),
        ],
    )
    async def test_a_callback_is_believed_as_far_as_it_goes(
        self, client, config, receiver, fake, last, callback, asked
    ):
        answer = await push(client, config, receiver, phone=f"07083741{last}")
        await fake.told()
        assert translate.result_of(translate.stk_callback(receiver.bodies[0])).outcome == callback
        handle = translate.ack_of(answer.body).handle
        found = translate.query_result((await query(client, config, handle)).body)
        assert found.outcome == asked

    async def test_without_a_callback_a_query_tells(self, client, config, receiver, fake):
        fake.callbacks = "never"
        handle = translate.ack_of((await push(client, config, receiver)).body).handle
        assert receiver.bodies == []
        answer = await query(client, config, handle)
        assert translate.query_result(answer.body).outcome == "succeeded"

    async def test_a_payer_who_does_not_decide_is_pending(self, client, config, receiver):
        answer = await push(client, config, receiver, phone="0708374199")
        handle = translate.ack_of(answer.body).handle
        assert meaning(await query(client, config, handle)) == "pending"

    async def test_a_callback_may_come_before_the_answer(self, client, config, receiver, fake):
        fake.callbacks = "before"
        answer = await push(client, config, receiver)
        assert len(receiver.bodies) == 1
        told = translate.stk_callback(receiver.bodies[0])
        assert told.handle == translate.ack_of(answer.body).handle

    async def test_a_push_to_a_registered_paybill_is_told_twice_under_one_receipt(
        self, client, config, receiver, fake
    ):
        urls = {"ConfirmationURL": receiver.url, "ValidationURL": receiver.url}
        body = {"ShortCode": 600999, "ResponseType": "Completed", **urls}
        answer = await client.post(daraja.C2B_REGISTER, body)
        assert translate.ack_of(answer.body).accepted
        assert meaning(await client.post(daraja.C2B_REGISTER, body)) == "accepted"
        await push(client, config, receiver)
        await fake.told()
        receipts = set()
        for told in receiver.bodies:
            if b"stkCallback" in told:
                receipts.add(translate.stk_callback(told).receipt)
            else:
                receipts.add(translate.c2b_confirmation(told).receipt)
        assert len(receiver.bodies) == 2
        assert len(receipts) == 1


class TestWhatCannotBe:
    async def test_a_wrong_passkey_is_an_error_of_configuration(self, session, fake, receiver):
        wrong = Config.read({**fake.configuration, "passkey": "dGVzdHBhc3NrZXkwMDAx"})
        answer = await push(Client(session, wrong), wrong, receiver)
        assert meaning(answer) == "not_configured"

    async def test_a_clock_that_is_hours_off_is_refused(self, client, config, receiver, fake):
        at = datetime.now(UTC) + timedelta(hours=3)
        body = translate.stk_push(config, Wish("10", phone="0708374149"), at, receiver.url)
        assert meaning(await client.post(daraja.STK_PUSH, body)) == "permanent"
        assert fake.book.pushes == {}

    @pytest.mark.parametrize(
        ("fault", "done"),
        [
            (Fault(drop=True, after=True), 1),
            (Fault(502, body="<html>bad gateway</html>", after=True), 1),
            (Fault(504), 0),
            (Fault(delay_s=1.5, after=True), 1),
        ],
    )
    async def test_an_answer_that_is_none_leaves_it_open(
        self, client, config, receiver, fake, fault, done
    ):
        fake.faults[daraja.STK_PUSH].append(fault)
        with pytest.raises(Ambiguous):
            await push(client, config, receiver)
        async with asyncio.timeout(5):
            while len(fake.book.pushes) < done:
                await asyncio.sleep(0.02)
        assert len(fake.book.pushes) == done

    async def test_a_server_error_that_says_what_it_means_is_heard(
        self, client, config, receiver, fake
    ):
        fake.faults[daraja.STK_PUSH].append(Fault(500, "500.003.02", "System is busy"))
        assert meaning(await push(client, config, receiver)) == "busy"


class TestPayingOut:
    async def pay(self, client, config, receiver, key="call-1", phone="0708374149"):
        credential = security_credential(config.initiator_password, config.certificate)
        told_at = ToldAt(receiver.url, receiver.url)
        wish = Wish("500", destination=phone, reference="earnings")
        body = translate.b2c_payment(config, wish, key, credential, told_at)
        return await client.post(daraja.B2C["v3"], body)

    async def test_is_told_under_our_id(self, client, config, receiver, fake):
        answer = await self.pay(client, config, receiver)
        assert translate.ack_of(answer.body).accepted
        await fake.told()
        told = translate.async_result(receiver.bodies[0])
        assert told.originator_id == "call-1"
        assert translate.payout_result(told).outcome == "succeeded"
        assert fake.book.paid_out == 500

    async def test_twice_under_one_id_is_once(self, client, config, receiver, fake):
        await self.pay(client, config, receiver)
        assert meaning(await self.pay(client, config, receiver)) == "accepted"
        assert len(fake.book.payouts) == 1

    async def test_under_another_environments_certificate_pays_nobody(
        self, client, config, receiver, fake
    ):
        async with FakeDaraja() as other:
            stranger = Config.read({**fake.configuration, "certificate": other.certificate})
            await self.pay(client, stranger, receiver)
        await fake.told()
        result = translate.payout_result(translate.async_result(receiver.bodies[0]))
        assert (result.outcome, result.failure) == ("failed", "not_configured")
        assert fake.book.paid_out == 0


class TestTheCredential:
    def test_differs_each_time_and_opens_to_the_password(self, fake):
        sealed = {security_credential("Pässword 1", fake.certificate) for _ in range(3)}
        assert len(sealed) == 3
        assert {len(each) for each in sealed} == {344}

    @pytest.mark.parametrize("certificate", ["", "no certificate", "-----BEGIN CERTIFICATE-----"])
    def test_needs_a_certificate(self, certificate):
        with pytest.raises(ValueError, match="certificate"):
            security_credential("x", certificate)

    def test_has_a_size(self, fake):
        with pytest.raises(ValueError, match="too long") as refused:
            security_credential("canary" * 100, fake.certificate)
        assert "canary" not in str(refused.value)


class TestConfig:
    @pytest.mark.parametrize(
        "changes",
        [
            {"base_url": "api.example"},
            {"consumer_key": ""},
            {"consumer_secret": ""},
            {"short_code": "12"},
            {"short_code": "60099a"},
            {"till": "12x"},
        ],
    )
    def test_that_lacks_something_says_what(self, fake, changes):
        [name] = changes
        with pytest.raises(ValueError, match=name):
            Config.read({**fake.configuration, **changes})

    def test_shows_no_secret(self, fake):
        shown = repr(Config.read({**fake.configuration, "consumer_secret": "canary-1"}))
        assert "canary" not in shown
        assert fake.passkey not in shown

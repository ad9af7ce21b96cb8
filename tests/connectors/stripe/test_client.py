"""The client and the reader of its answers against Stripe's fake, whose book is the witness."""

import pytest
import pytest_asyncio

from connectors.base import Ambiguous, NotSent, TurnedAway
from connectors.http import open_session
from connectors.stripe import client as stripe
from connectors.stripe import translate
from connectors.stripe.client import Client
from connectors.stripe.config import Config
from connectors.stripe.fake import DECLINED, PAYS, FakeStripe, Fault
from connectors.stripe.signature import BadSignature, age_of
from connectors.stripe.translate import Wish

WISH = Wish("1500.00", "KES", payment_id="p-1")


@pytest_asyncio.fixture
async def fake():
    async with FakeStripe() as fake:
        yield fake


@pytest_asyncio.fixture
async def session():
    async with open_session(total_s=1) as session:
        yield session


@pytest.fixture
def client(fake, session) -> Client:
    return Client(session, Config.read(fake.configuration))


async def collect(client, key="call-1", method=PAYS, *, held=False):
    """An intent that is confirmed at once."""
    members = translate.payment_intent(WISH, key, held=held)
    members |= {"confirm": True, "payment_method": method}
    return await client.post(stripe.INTENTS, members, key)


class TestCollecting:
    async def test_is_paid_once_under_one_key(self, client, fake):
        first = await collect(client)
        again = await collect(client)
        assert first.body == again.body
        assert translate.result_of(first.body, "collect").amount_minor == 150_000
        assert fake.sum_of("payment_intent", "succeeded") == 150_000

    async def test_under_another_key_is_another_attempt(self, client, fake):
        declined = await collect(client, "attempt-1", DECLINED)
        assert (declined.status, translate.error_of(declined.body)[:2]) == (
            402,
            ("card_error", "insufficient_funds"),
        )
        assert (await collect(client, "attempt-1", DECLINED)).body == declined.body
        second = await collect(client, "attempt-2")
        assert translate.result_of(second.body, "collect").outcome == "succeeded"

    async def test_with_other_members_under_one_key_is_refused(self, client, fake):
        await collect(client)
        answer = await collect(client, method=DECLINED)
        assert translate.error_of(answer.body)[0] == "idempotency_error"
        assert len(fake.objects) == 1

    @pytest.mark.parametrize(
        ("fault", "done"),
        [
            (Fault(status=500, after=True), 1),
            (Fault(status=503), 0),
            (Fault(drop=True, after=True), 1),
            (Fault(delay_s=1.5), 1),
            (Fault(status=409), 0),
        ],
    )
    async def test_an_answer_that_is_none_leaves_it_open(self, client, fake, fault, done):
        fake.faults.append(fault)
        with pytest.raises(Ambiguous):
            await collect(client)
        if not fault.delay_s:
            assert len(fake.objects) == done

    async def test_to_ask_too_often_is_to_be_turned_away(self, client, fake):
        fake.faults.append(Fault(status=429))
        with pytest.raises(TurnedAway):
            await collect(client)
        assert fake.objects == {}

    async def test_a_stored_server_error_is_told_again_and_does_nothing_twice(self, client, fake):
        fake.faults.append(Fault(status=500, after=True))
        for _ in range(2):
            with pytest.raises(Ambiguous):
                await collect(client)
        assert len(fake.objects) == 1

    async def test_that_waits_for_the_payer_is_pending(self, client):
        answer = await collect(client, method="pm_other")
        assert translate.result_of(answer.body, "collect").outcome == "pending"

    async def test_from_nowhere_is_not_sent(self, session, fake):
        away = Config.read({**fake.configuration, "base_url": "http://127.0.0.1:1"})
        with pytest.raises(NotSent):
            await collect(Client(session, away))


class TestGivingBack:
    async def test_is_never_more_than_came(self, client, fake):
        paid = translate.result_of((await collect(client)).body, "collect")
        for key, amount, status in (("r1", "1000", 200), ("r2", "500", 200), ("r3", "1", 400)):
            wish = Wish(amount, "KES", refund_id=key, provider_reference=paid.provider_reference)
            answer = await client.post(stripe.REFUNDS, translate.refund(wish, key), key)
            assert answer.status == status
        assert fake.sum_of("refund", "succeeded") == 150_000

    @pytest.mark.parametrize("asset", ["UGX", "KWD", "JPY"])
    async def test_is_in_amounts_that_it_takes(self, client, asset):
        wish = Wish("1500", asset)
        answer = await client.post(stripe.PAYOUTS, translate.payout(wish, asset), asset)
        assert answer.status == 200


class TestWebhooks:
    async def test_are_signed_over_their_bytes_by_either_secret(self, client):
        async with FakeStripe(webhook_secrets=("whsec_new", "whsec_old")) as fake:
            body, headers = fake.event("payment_intent.succeeded", {"object": "payment_intent"})
            at = int(headers["Stripe-Signature"].split(",")[0][2:])
            for secret in ("whsec_new", "whsec_old"):
                assert age_of(headers["Stripe-Signature"], body, [secret], at) == "fresh"
            with pytest.raises(BadSignature):
                age_of(headers["Stripe-Signature"], body, ["whsec_other"], at)

    async def test_tell_of_our_call(self, client, fake):
        await collect(client)
        [intent] = fake.objects.values()
        body, _ = fake.event("payment_intent.succeeded", intent)
        told = translate.event_of(body)
        assert (told.call_id, told.result.outcome, told.live) == ("call-1", "succeeded", False)

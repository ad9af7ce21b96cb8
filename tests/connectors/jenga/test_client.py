"""The client and the balance against Jenga's fake, whose book is the witness."""

import asyncio
from datetime import timedelta

import pytest

from connectors.base import Ambiguous, Asked, NotSent, Refused, TurnedAway
from connectors.callbacks import Funds
from connectors.jenga.client import Client
from connectors.jenga.config import Config
from connectors.jenga.connector import Jenga, build
from connectors.jenga.fake import Account, FakeJenga, Fault
from connectors.jenga.translate import balance_question


class Clock:
    now_s = 1_000.0

    def __call__(self):
        return self.now_s


def client_of(fake, session, clock=None, **changes) -> Client:
    config = Config.read({**fake.configuration, **changes})
    return Client(session, config, **({"monotonic_s": clock} if clock else {}))


async def ask(client, fake):
    return await client.ask(balance_question(Config.read(fake.configuration)))


class TestTokens:
    async def test_many_requests_at_once_share_one(self, fake, session):
        client = client_of(fake, session)
        question = balance_question(Config.read(fake.configuration))
        answers = await asyncio.gather(*(client.ask(question) for _ in range(20)))
        assert {answer.status for answer in answers} == {200}
        assert fake.tokens == 1

    @pytest.mark.parametrize("lives", [900, "900", timedelta(seconds=900)])
    async def test_are_renewed_a_minute_before_the_end_that_jenga_says(self, session, lives):
        clock = Clock()
        async with FakeJenga(token_lives=lives) as fake:
            client = client_of(fake, session, clock)
            await ask(client, fake)
            clock.now_s += 839
            await ask(client, fake)
            assert fake.tokens == 1
            clock.now_s += 2
            await ask(client, fake)
            assert fake.tokens == 2

    async def test_that_ended_early_are_renewed_once(self, fake, session):
        client = client_of(fake, session)
        await ask(client, fake)
        fake.tokens += 1
        assert (await ask(client, fake)).status == 200
        assert fake.tokens == 3

    async def test_that_are_refused_again_are_an_error_of_configuration(self, fake, session):
        fake.faults.extend([Fault(401), Fault(401)])
        with pytest.raises(Refused) as refused:
            await ask(client_of(fake, session), fake)
        assert (refused.value.failure, fake.tokens) == ("not_configured", 2)

    @pytest.mark.parametrize("wrong", ["consumer_secret", "api_key", "merchant_code"])
    async def test_that_cannot_be_had_mean_that_nothing_was_asked(self, fake, session, wrong):
        with pytest.raises(Refused) as refused:
            await ask(client_of(fake, session, **{wrong: "canary"}), fake)
        assert "canary" not in str(refused.value)
        assert [path for _, path in fake.requests if "accounts" in path] == []

    @pytest.mark.parametrize("lives", ["", "soon", None])
    async def test_without_a_life_are_not_used(self, session, lives):
        async with FakeJenga(token_lives=lives) as fake:
            with pytest.raises(NotSent):
                await ask(client_of(fake, session), fake)


class TestRequests:
    async def test_under_another_merchants_key_are_refused(self, fake, session):
        from cryptography.hazmat.primitives.asymmetric import rsa

        from tests.connectors.jenga.test_signature import pem_of

        other = pem_of(rsa.generate_private_key(public_exponent=65_537, key_size=2_048))
        with pytest.raises(Refused):
            await ask(client_of(fake, session, private_key=other), fake)

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (Fault(429, retry_after="7"), TurnedAway),
            (Fault(500), Ambiguous),
            (Fault(delay_s=1.5), Ambiguous),
        ],
    )
    async def test_that_have_no_answer_say_why(self, fake, session, fault, error):
        fake.faults.append(fault)
        with pytest.raises(error) as raised:
            await ask(client_of(fake, session), fake)
        if fault.retry_after:
            assert raised.value.retry_after_s == 7

    async def test_from_nowhere_are_not_sent(self, fake, session):
        with pytest.raises(NotSent):
            await ask(client_of(fake, session, base_url="http://127.0.0.1:1"), fake)


class TestTheBalance:
    async def test_is_told_with_what_is_free_of_it(self, fake, jenga):
        fake.accounts[fake.account] = Account("KES", opening=100_050, held=10_050)
        acted = await jenga.act("balance", "", {})
        [told] = acted.heard
        assert told.funds == (Funds(fake.account, "KES", 100_050, 90_000),)
        assert (acted.says["current"], acted.says["available"]) == ("1000.50", "900.00")

    async def test_is_an_event_of_its_own_whenever_it_is_asked_for(self, jenga):
        first, again = [(await jenga.act("balance", "", {})).heard[0] for _ in range(2)]
        assert first.funds == again.funds
        assert first.event_id != again.event_id

    @pytest.mark.parametrize(
        ("account", "words"), [("0011547896404", "No account"), ("0011547896403", "not belong")]
    )
    async def test_of_an_account_that_jenga_refuses_is_refused_with_its_words(
        self, session, account, words
    ):
        async with FakeJenga(account=account) as fake:
            with pytest.raises(Refused, match=words):
                await build(session, fake.configuration).act("balance", "", {})

    async def test_without_what_is_free_of_it_is_none(self, session):
        async with FakeJenga(account="0011547896000") as fake:
            with pytest.raises(Ambiguous, match="available"):
                await build(session, fake.configuration).act("balance", "", {})

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(body=b'{"status":true,"code":0,"data":{"balan'),
            Fault(body=b"<html></html>", content_type="text/html"),
            Fault(body=b"x" * 70_000),
        ],
        ids=["cut", "no JSON", "too large"],
    )
    async def test_that_cannot_be_read_is_none(self, fake, jenga, fault):
        fake.faults.append(fault)
        with pytest.raises(Ambiguous):
            await jenga.act("balance", "", {})


class TestWhatItDoesNotDo:
    async def test_is_refused_by_name(self, jenga):
        with pytest.raises(Refused) as refused:
            await jenga.act("register", "", {})
        assert refused.value.failure == "action_unknown"

    async def test_is_any_operation(self, fake, jenga):
        assert Jenga.capabilities == frozenset()
        asked = Asked("payout", "key-1", b'{"amount":"1","currency":"KES"}')
        assert (await jenga.perform(asked)).failure == "capability_unsupported"
        assert (await jenga.query(asked)).outcome == (await jenga.end(asked)).outcome == "unknown"
        assert fake.requests == []

"""Stripe's connector under the contract of all: its payer pays on a page, its bank takes days."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgspec
import pytest
import pytest_asyncio

from connectors.base import Asked, Result
from connectors.breaker import Breaker
from connectors.guard import Guard
from connectors.http import open_session
from connectors.stripe.connector import build
from connectors.stripe.fake import DECLINED, PAYS, FakeStripe, Fault
from tests.connectors.contract import ConnectorContract, Harness, Keyed, Refusing, no_sleep

MINOR = {"succeeds": 150_000, "declined": 160_000, "hangs": 170_000, "breaks": 180_000}
KINDS = {"payment_intents": "payment_intent", "refunds": "refund", "payouts": "payout"}


@pytest_asyncio.fixture
async def fake():
    async with FakeStripe() as fake:
        yield fake


@pytest_asyncio.fixture
async def session():
    async with open_session(total_s=0.5) as session:
        yield session


class TheContract(Keyed, Refusing, ConnectorContract):
    """What holds for all that Stripe does."""


def wish(kind: str, **more: str) -> bytes:
    return msgspec.json.encode({"amount": f"{MINOR[kind] // 100}", "currency": "KES", **more})


def harness_of(fake: FakeStripe, session, operation: str, **more) -> Harness:
    faults = {"hangs": Fault(delay_s=1.0), "breaks": Fault(drop=True, after=True)}

    def arrange(kind: str) -> None:
        if kind in faults:
            fake.faults.append(faults[kind])

    return Harness(
        connector=build(session, fake.configuration),
        operation=operation,
        minor=MINOR.__getitem__,
        stop=fake.stop,
        arrange=arrange,
        refuse=lambda: fake.faults.append(Fault(status=403)),
        told_at="http://127.0.0.1:9",
        **more,
    )


def made(fake: FakeStripe, key: str, *statuses: str) -> list[dict]:
    """Objects that a call made, in these statuses."""
    found = [o for o in fake.objects.values() if o["metadata"].get("call_id") == key]
    return [each for each in found if each["status"] in statuses]


def paid_by(fake: FakeStripe, harness: Harness) -> Callable[..., Awaitable[Result]]:
    """The payer acts once there is an intent; then it is asked about."""

    async def settle(asked: Asked, performed: Result | None) -> Result:
        amount = msgspec.json.decode(asked.request, type=dict[str, str])["amount"]
        method = DECLINED if amount == f"{MINOR['declined'] // 100}" else PAYS
        for intent in made(fake, asked.key, "requires_payment_method"):
            fake.pay(intent["id"], method)
        handle = performed.handle if performed is not None else ""
        return await harness.connector.query(replace(asked, handle=handle))

    return settle


class TestCollecting(TheContract):
    HELD_TO = "stripe", frozenset({"collect"})

    @pytest_asyncio.fixture
    async def harness(self, fake, session):
        harness = harness_of(
            fake,
            session,
            "collect",
            request=wish,
            effects=lambda key: len(made(fake, key, "succeeded")),
        )
        harness.settle = paid_by(fake, harness)
        return harness

    async def test_one_that_nobody_paid_in_time_is_cancelled_and_cannot_be_paid_later(
        self, harness, fake
    ):
        handle = (await harness.perform("succeeds")).handle
        ended = await harness.connector.end(replace(harness.asked("succeeds"), handle=handle))
        assert (ended.outcome, fake.objects[handle]["status"]) == ("failed", "canceled")
        fake.pay(handle)
        assert harness.effects("key-1") == 0

    async def test_one_that_was_declined_cannot_be_paid_later(self, harness, fake):
        """It is over for us: another attempt may pay it, so its page must not."""
        handle = (await harness.perform("declined")).handle
        fake.pay(handle, DECLINED)
        asked = replace(harness.asked("declined"), handle=handle)
        result = await harness.connector.query(asked)
        assert (result.outcome, result.failure) == ("failed", "insufficient_funds")
        fake.pay(handle)
        assert (harness.effects("key-1"), fake.objects[handle]["status"]) == (0, "canceled")
        assert (await harness.connector.query(asked)).failure == "insufficient_funds"

    async def test_one_that_was_paid_at_the_last_moment_is_paid(self, harness, fake):
        handle = (await harness.perform("succeeds")).handle
        fake.pay(handle)
        ended = await harness.connector.end(replace(harness.asked("succeeds"), handle=handle))
        assert ended.outcome == "succeeded"

    async def test_the_payer_gets_what_the_page_needs(self, harness):
        result = await harness.perform("succeeds")
        assert (result.outcome, bool(result.handle), bool(result.payer_action)) == (
            "pending",
            True,
            True,
        )


class TestHolding(TheContract):
    HELD_TO = "stripe", frozenset({"authorize"})

    @pytest_asyncio.fixture
    async def harness(self, fake, session):
        harness = harness_of(
            fake,
            session,
            "authorize",
            request=wish,
            effects=lambda key: len(made(fake, key, "requires_capture")),
        )
        harness.settle = paid_by(fake, harness)
        return harness


async def paid(fake: FakeStripe, operation: str) -> dict[str, str]:
    """An intent that its payer has paid, for each kind; the one to be declined is over."""
    found = {}
    async with open_session(total_s=5) as session:
        connector = build(session, fake.configuration)
        for kind in MINOR:
            result = await connector.perform(Asked(operation, f"before-{kind}", wish(kind)))
            fake.pay(result.handle)
            found[kind] = result.handle
    fake.objects[found["declined"]]["status"] = "canceled"
    return found


class TestTaking(ConnectorContract):
    HELD_TO = "stripe", frozenset({"capture", "void"})

    @pytest_asyncio.fixture(params=["capture", "void"])
    async def harness(self, fake, session, request):
        intents = await paid(fake, "authorize")
        keys: dict[str, str] = {}
        ended = {"capture": "succeeded", "void": "canceled"}[request.param]

        def request_of(kind: str) -> bytes:
            keys.setdefault("key-1", intents[kind])
            return wish(kind, authorization=intents[kind])

        def effects(key: str) -> int:
            intent = fake.objects.get(keys.get(key, ""), {})
            fine = intent.get("id") != intents["declined"] and intent.get("status") == ended
            return int(fine)

        return harness_of(fake, session, request.param, request=request_of, effects=effects)

    async def test_other_keys_are_other_calls(self, harness):
        """What was taken or freed cannot be so again."""
        await harness.perform("succeeds")
        guard = Guard(harness.connector, Breaker(), sleep=no_sleep)
        again = await guard.perform(harness.operation, "key-2", harness.request("succeeds"))
        assert (again.outcome, again.failure) == ("failed", "payment_intent_unexpected_state")

    async def test_query_of_a_key_never_used_is_no_success(self, harness):
        result = await harness.connector.query(harness.asked("succeeds", "never"))
        assert result.outcome == "pending"

    async def test_a_part_is_taken_and_the_rest_freed(self, fake, session):
        intents = await paid(fake, "authorize")
        part = msgspec.json.encode(
            {"amount": "1000", "currency": "KES", "authorization": intents["succeeds"]}
        )
        connector = build(session, fake.configuration)
        result = await connector.perform(Asked("capture", "key-1", part))
        assert (result.outcome, result.amount_minor) == ("succeeded", 100_000)
        assert fake.objects[intents["succeeds"]]["amount_capturable"] == 0


class TestGivingBack(TheContract):
    HELD_TO = "stripe", frozenset({"refund"})

    @pytest_asyncio.fixture
    async def harness(self, fake, session):
        intents = await paid(fake, "collect")
        # Enough for a second refund of the same payment.
        fake.objects[intents["succeeds"]]["amount_received"] *= 2
        return harness_of(
            fake,
            session,
            "refund",
            request=lambda kind: wish(kind, provider_reference=intents[kind]),
            effects=lambda key: len(made(fake, key, "succeeded")),
        )


class TestPayingOut(TheContract):
    HELD_TO = "stripe", frozenset({"payout"})

    @pytest_asyncio.fixture
    async def harness(self, fake, session):
        def request(kind: str) -> bytes:
            if kind != "declined":
                return wish(kind)
            return msgspec.json.encode({"amount": "1600", "currency": "XTS"})

        harness = harness_of(
            fake,
            session,
            "payout",
            request=request,
            effects=lambda key: len(made(fake, key, "paid")),
        )

        async def settle(asked: Asked, performed: Result | None) -> Result:
            for payout in made(fake, asked.key, "in_transit"):
                fake.arrive(payout["id"])
            handle = performed.handle if performed is not None else ""
            return await harness.connector.query(replace(asked, handle=handle))

        harness.settle = settle
        return harness


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "failure"),
        [({"amount": "1.001", "currency": "KWD"}, "too_many_decimals"), ({"currency": "BTC"}, "")],
    )
    async def test_of_amounts_are_named_and_nothing_is_sent(self, fake, session, change, failure):
        connector = build(session, fake.configuration)
        said = {"amount": "10", "currency": "KES", **change}
        result = await connector.perform(Asked("collect", "k", msgspec.json.encode(said)))
        assert result.outcome == "failed"
        assert failure in {"", result.failure}
        assert fake.requests == []

    async def test_of_a_key_are_an_error_of_configuration(self, fake, session):
        wrong = {**fake.configuration, "secret_key": "sk_test_wrong"}
        guard = Guard(build(session, wrong), Breaker(), sleep=no_sleep)
        result = await guard.perform("collect", "k", wish("succeeds"))
        assert (result.outcome, result.failure) == ("failed", "not_configured")
        assert "sk_test" not in result.detail

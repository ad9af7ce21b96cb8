"""PayPal's connector under the contract of all: its payer approves, and we capture."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgspec
import pytest
import pytest_asyncio

from connectors.base import NOT_APPROVED, Asked, Result
from connectors.http import open_session
from connectors.paypal.connector import build
from connectors.paypal.fake import FakePayPal, Fault
from tests.connectors.contract import ConnectorContract, Harness, Keyed, Refusing

MINOR = {"succeeds": 150_000, "declined": 160_013, "hangs": 170_000, "breaks": 180_000}


@pytest_asyncio.fixture
async def fake():
    async with FakePayPal() as fake:
        yield fake


@pytest_asyncio.fixture
async def session():
    async with open_session(total_s=0.5) as session:
        yield session


class TheContract(Keyed, Refusing, ConnectorContract):
    """What holds for all that PayPal does."""


def wish(kind: str, **more: str) -> bytes:
    amount = f"{MINOR[kind] // 100}.{MINOR[kind] % 100:02d}"
    return msgspec.json.encode({"amount": amount, "currency": "USD", **more})


def harness_of(fake: FakePayPal, session, operation: str, **more) -> Harness:
    faults = {"hangs": Fault(delay_s=1.0), "breaks": Fault(drop=True, after=True)}

    def arrange(kind: str) -> None:
        if kind in faults:
            fake.faults.append(faults[kind])

    harness = Harness(
        connector=build(session, fake.configuration),
        operation=operation,
        minor=MINOR.__getitem__,
        stop=fake.stop,
        arrange=arrange,
        refuse=lambda: fake.faults.append(Fault(status=403)),
        told_at="https://pay.example.test",
        **more,
    )
    harness.settle = settled_by(fake, harness)
    return harness


def settled_by(fake: FakePayPal, harness: Harness) -> Callable[..., Awaitable[Result]]:
    """What no answer named is asked for again under its key; payers approve; then a query."""

    async def settle(asked: Asked, performed: Result | None) -> Result:
        handle = performed.handle if performed is not None else ""
        if not handle and asked.operation != "refund":
            handle = (await harness.connector.perform(asked)).handle
        if asked.operation == "collect" and fake.orders[handle]["status"] != "COMPLETED":
            fake.approve(handle)
        return await harness.connector.query(replace(asked, handle=handle))

    return settle


class TestCollecting(TheContract):
    HELD_TO = "paypal", frozenset({"collect"})

    @pytest_asyncio.fixture
    async def harness(self, fake, session):
        def effects(key: str) -> int:
            return sum(1 for capture in fake.captured if capture["custom_id"] == key)

        return harness_of(fake, session, "collect", request=wish, effects=effects)

    @pytest.mark.parametrize(
        ("approved", "kind", "outcome"),
        [
            (False, "succeeds", "failed"),
            (True, "succeeds", "succeeded"),
            (True, "waits", "pending"),
        ],
        ids=["nobody approved it", "approved at the last moment", "its capture waits"],
    )
    async def test_at_the_end_of_the_payers_time(self, harness, fake, approved, kind, outcome):
        amount = "10.17" if kind == "waits" else "10.00"
        request = msgspec.json.encode({"amount": amount, "currency": "USD"})
        asked = replace(harness.asked("succeeds"), request=request)
        handle = (await harness.connector.perform(asked)).handle
        if approved:
            fake.approve(handle)
        ended = await harness.connector.end(replace(asked, handle=handle))
        assert ended.outcome == outcome
        assert (ended.failure == NOT_APPROVED) == (outcome == "failed")

    async def test_the_payer_is_sent_to_a_page(self, harness):
        result = await harness.perform("succeeds")
        assert result.payer_action.startswith("http")

    async def test_what_nobody_approved_is_not_captured(self, harness, fake):
        performed = await harness.perform("succeeds")
        asked = replace(harness.asked("succeeds"), handle=performed.handle)
        assert (await harness.connector.query(asked)).outcome == "pending"
        assert fake.captured == []

    async def test_two_who_capture_at_once_capture_once(self, harness, fake):
        performed = await harness.perform("succeeds")
        fake.approve(performed.handle)
        asked = replace(harness.asked("succeeds"), handle=performed.handle)
        results = await asyncio.gather(*(harness.connector.query(asked) for _ in range(5)))
        assert {result.outcome for result in results} == {"succeeded"}
        assert len({result.provider_reference for result in results}) == 1
        assert len(fake.captured) == 1

    async def test_captured_by_somebody_else_meanwhile_is_paid(self, harness, fake):
        performed = await harness.perform("succeeds")
        fake.approve(performed.handle)
        asked = replace(harness.asked("succeeds"), handle=performed.handle)
        fake.faults.append(Fault(delay_s=0.2))  # seen as approved, answered late
        late = asyncio.create_task(harness.connector.query(asked))
        await asyncio.sleep(0.05)
        other = await harness.connector.query(replace(asked, key="key-2"))
        result = await late
        assert (result.outcome, result.provider_reference) == (
            "succeeded",
            other.provider_reference,
        )
        assert len(fake.captured) == 1

    async def test_declined_at_the_capture_is_a_failure(self, harness, fake):
        asked = harness.asked("declined")
        performed = await harness.connector.perform(asked)
        fake.approve(performed.handle)
        result = await harness.connector.query(replace(asked, handle=performed.handle))
        assert (result.outcome, result.failure) == ("failed", "instrument_declined")

    async def test_an_order_that_no_answer_named_was_never_begun(self, harness, fake):
        fake.faults.append(Fault(status=503, after=True))
        with pytest.raises(Exception, match="503"):
            await harness.connector.perform(harness.asked("succeeds"))
        result = await harness.connector.query(harness.asked("succeeds"))
        assert (result.outcome, result.failure) == ("failed", "not_begun")
        assert fake.captured == []

    async def test_shillings_need_a_quote_first(self, harness):
        request = msgspec.json.encode({"amount": "10", "currency": "KES"})
        result = await harness.connector.perform(Asked("collect", "k", request))
        assert (result.outcome, result.failure) == ("failed", "currency_unsupported")


class TestGivingBack(TheContract):
    HELD_TO = "paypal", frozenset({"refund"})

    @pytest_asyncio.fixture
    async def harness(self, fake, session):
        captures = {"declined": "3CNONE"}
        async with open_session(total_s=5) as before:
            connector = build(before, fake.configuration)
            for kind in ("succeeds", "hangs", "breaks"):
                whole = msgspec.json.encode({"amount": "9000", "currency": "USD"})
                asked = Asked("collect", f"before-{kind}", whole, "https://x.example.test")
                handle = (await connector.perform(asked)).handle
                fake.approve(handle)
                result = await connector.query(replace(asked, handle=handle))
                captures[kind] = result.provider_reference

        def effects(key: str) -> int:
            return sum(1 for refund in fake.refunds.values() if refund["custom_id"] == key)

        return harness_of(
            fake,
            session,
            "refund",
            request=lambda kind: wish(kind, provider_reference=captures[kind]),
            effects=effects,
        )


class TestPayingOut(TheContract):
    HELD_TO = "paypal", frozenset({"payout"})

    @pytest_asyncio.fixture
    async def harness(self, fake, session):
        def request(kind: str) -> bytes:
            name = "failed" if kind == "declined" else "payee"
            return wish(kind, destination=f"{name}@example.test")

        def effects(key: str) -> int:
            return sum(
                1
                for item in fake.items.values()
                if item["payout_item"]["sender_item_id"] == key
                and item["transaction_status"] == "SUCCESS"
            )

        return harness_of(fake, session, "payout", request=request, effects=effects)

    async def test_a_receiver_that_is_none_is_a_refusal(self, harness, fake):
        asked = replace(
            harness.asked("succeeds"), request=wish("succeeds", destination="0708374149")
        )
        with pytest.raises(Exception, match="INVALID_RECEIVER"):
            await harness.connector.perform(asked)
        assert fake.items == {}

    async def test_what_nobody_claims_is_pending(self, harness):
        asked = replace(
            harness.asked("succeeds"),
            request=wish("succeeds", destination="unclaimed@example.test"),
        )
        performed = await harness.connector.perform(asked)
        result = await harness.connector.query(replace(asked, handle=performed.handle))
        assert (result.outcome, result.detail) == ("pending", "UNCLAIMED")

import msgspec
import pytest
import pytest_asyncio

from connectors.base import NOT_FOUND, Asked
from connectors.http import open_session
from connectors.instant.connector import build
from connectors.instant.fake import FakeGateway
from tests.connectors.contract import ConnectorContract, Harness, Keyed

MINOR = {"succeeds": 150_000, "declined": 150_013, "hangs": 150_027, "breaks": 150_031}


def wish(kind: str) -> bytes:
    minor = MINOR[kind]
    amount = f"{minor // 100}.{minor % 100:02d}"
    return msgspec.json.encode({"payment_id": "p1", "amount": amount, "currency": "KES"})


@pytest_asyncio.fixture(params=["collect", "authorize", "payout", "refund"])
async def harness(request):
    async with FakeGateway() as fake, open_session(total_s=0.5) as session:
        yield Harness(
            connector=build(session, fake.configuration),
            operation=request.param,
            request=wish,
            effects=lambda key: fake.effects[key],
            minor=MINOR.__getitem__,
            stop=fake.stop,
        )


class TestInstantContract(Keyed, ConnectorContract):
    HELD_TO = "instant", frozenset({"collect", "authorize", "payout", "refund"})

    async def test_repeat_names_the_same_reference(self, harness):
        assert await harness.perform("succeeds") == await harness.perform("succeeds")

    async def test_query_agrees_with_perform(self, harness):
        for kind, key in (("succeeds", "key-1"), ("declined", "key-2")):
            performed = await harness.perform(kind, key)
            assert await harness.settled(kind, key) == performed

    async def test_query_of_a_key_never_used_is_not_found(self, harness):
        result = await harness.connector.query(harness.asked("succeeds", "never"))
        assert (result.outcome, result.detail) == ("unknown", NOT_FOUND)


class TestHolds:
    """Money that is held first: captured or freed once, never more than is held."""

    HELD_TO = "instant", frozenset({"capture", "void"})

    @staticmethod
    def wish(minor: int, authorization: str = "") -> bytes:
        amount = f"{minor // 100}.{minor % 100:02d}"
        return msgspec.json.encode(
            {"amount": amount, "currency": "KES", "authorization": authorization}
        )

    @pytest.mark.parametrize("verb", ["capture", "void"])
    async def test_end_once(self, verb):
        async with FakeGateway() as fake, open_session(total_s=2) as session:
            connector = build(session, fake.configuration)
            held = await connector.perform(Asked("authorize", "a", self.wish(5_000)))
            assert fake.held == {held.provider_reference: 5_000}
            wish = self.wish(5_000, held.provider_reference)
            assert (await connector.perform(Asked(verb, "b", wish))).outcome == "succeeded"
            again = await connector.perform(Asked(verb, "c", wish))
            assert (again.outcome, again.failure) == ("failed", "not_held")
            assert fake.held == {}
            assert dict(fake.effects) == {"a": 1, "b": 1}

    async def test_are_not_exceeded(self):
        async with FakeGateway() as fake, open_session(total_s=2) as session:
            connector = build(session, fake.configuration)
            held = await connector.perform(Asked("authorize", "a", self.wish(5_000)))
            more = self.wish(5_001, held.provider_reference)
            assert (await connector.perform(Asked("capture", "b", more))).failure == "not_held"

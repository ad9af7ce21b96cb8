import msgspec
import pytest_asyncio

from connectors.http import open_session
from connectors.instant.connector import build
from connectors.instant.fake import FakeGateway
from tests.connectors.contract import ConnectorContract, Harness

MINOR = {"succeeds": 150_000, "declined": 150_013, "hangs": 150_027, "breaks": 150_031}


def request(kind: str) -> bytes:
    minor = MINOR[kind]
    amount = f"{minor // 100}.{minor % 100:02d}"
    return msgspec.json.encode({"payment_id": "p1", "amount": amount, "currency": "KES"})


@pytest_asyncio.fixture
async def harness():
    async with FakeGateway() as fake, open_session(total_s=0.5) as session:
        yield Harness(
            connector=build(session, fake.configuration),
            operation="collect",
            request=request,
            effects=lambda key: fake.effects[key],
            minor=MINOR.__getitem__,
            stop=fake.stop,
        )


class TestInstantContract(ConnectorContract):
    pass

"""KRA's fake, a session that gives up on it soon, and the connector between the two."""

import pytest
import pytest_asyncio

from connectors.http import open_session
from connectors.kra.connector import build
from connectors.kra.fake import FakeKra


@pytest_asyncio.fixture
async def fake():
    async with FakeKra() as fake:
        yield fake


@pytest_asyncio.fixture
async def session():
    async with open_session(total_s=0.5) as session:
        yield session


@pytest.fixture
def kra(fake, session):
    return build(session, fake.configuration)

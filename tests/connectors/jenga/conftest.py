"""Jenga's fake, and a connector of it."""

import pytest_asyncio

from connectors.http import open_session
from connectors.jenga.connector import build
from connectors.jenga.fake import FakeJenga


@pytest_asyncio.fixture
async def fake():
    async with FakeJenga() as fake:
        yield fake


@pytest_asyncio.fixture
async def session():
    async with open_session(total_s=1) as session:
        yield session


@pytest_asyncio.fixture
async def jenga(fake, session):
    return build(session, fake.configuration)

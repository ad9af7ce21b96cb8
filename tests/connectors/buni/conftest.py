"""Buni's fake, and a connector of it."""

import pytest_asyncio

from connectors.buni.connector import build
from connectors.buni.fake import FakeBuni
from connectors.http import open_session


@pytest_asyncio.fixture
async def fake():
    async with FakeBuni() as fake:
        yield fake


@pytest_asyncio.fixture
async def session():
    async with open_session(total_s=0.5) as session:
        yield session


@pytest_asyncio.fixture
async def buni(fake, session):
    return build(session, fake.configuration)

"""A fake node, and what speaks to it."""

import pytest
import pytest_asyncio

from connectors.chain.client import Client
from connectors.chain.config import Config
from connectors.chain.fake import FakeNode
from connectors.http import open_session

WALLET = "0x" + "5a" * 20


@pytest_asyncio.fixture
async def node():
    async with FakeNode() as node:
        yield node


@pytest_asyncio.fixture
async def session():
    async with open_session(total_s=60) as session:
        yield session


@pytest.fixture
def config(node) -> Config:
    return Config.read({**node.configuration, "wallets": WALLET, "confirmations": "3"})


@pytest.fixture
def client(session, config) -> Client:
    return Client(session, config)

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest
import pytest_asyncio

from connectors.notifications.fake import FakeNotifications
from streams.topics import Topics
from tables.postgres.secrets import PLATFORM
from tests.agents.roles.archives import Shelf
from tests.agents.roles.dispatching import PlayedWriter
from tests.agents.roles.payers import World
from tests.agents.roles.test_secret_store import put
from tests.databases import Database, migrated
from tests.journals import Journal, append

Append = Callable[..., Awaitable[None]]


@pytest_asyncio.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    async with migrated(database_dsn) as database:
        yield database


@pytest.fixture
def journal_topic(topic) -> str:
    """A journal of one partition that nobody else uses."""
    return topic


@pytest_asyncio.fixture
async def append_journal(producer, journal_topic) -> Append:
    async def to_journal(*records: bytes) -> None:
        await append(producer, journal_topic, *records)

    return to_journal


@pytest_asyncio.fixture
async def topics(stack) -> Topics:
    topics = Topics(f"t{uuid4().hex[:12]}")
    await stack.create_topics({topics.inbound.name: 1})
    return topics


@pytest_asyncio.fixture
async def writer(stack, database, topics):
    """A played writer that listens, with a genesis in the archive."""
    writer = PlayedWriter(database.archiver, stack.kafka.bootstrap, topics)
    await writer.write()
    writer.going.set()
    task = asyncio.create_task(writer.listen())
    yield writer
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest_asyncio.fixture
async def world(database) -> AsyncIterator[World]:
    """Payers of tenants alpha and beta, and the service that writes to them."""
    shelf = Shelf(database)
    shelf.journal = Journal()
    await shelf.put(shelf.journal.genesis())
    async with FakeNotifications(api_key="svc-of-the-platform") as fake:
        await put(database, PLATFORM, "notifications.api_key", "svc-of-the-platform")
        world = World(database, shelf, fake)
        for tenant in ("alpha", "beta"):
            await world.hear("auth.tenant.created", tenant, name=tenant.title(), currency="KES")
        yield world

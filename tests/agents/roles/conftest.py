import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest
import pytest_asyncio

from streams.topics import Topics
from tests.agents.roles.dispatching import PlayedWriter
from tests.databases import Database, migrated
from tests.journals import append

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

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.databases import Database, migrated


@pytest_asyncio.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    async with migrated(database_dsn) as database:
        yield database

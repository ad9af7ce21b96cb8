"""A migrated database of its own for each test, with a pool per login."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest_asyncio

from tables.postgres.migrate import migrate
from tables.postgres.pool import APP, ARCHIVER, login_dsn, open_pool

APP_PASSWORD, ARCHIVER_PASSWORD = "app password", "archiver/p@ss:word"


@dataclass(frozen=True)
class Database:
    """The owner's, the app's and the archiver's way into one migrated database."""

    dsn: str
    owner: asyncpg.Pool
    app: asyncpg.Pool
    archiver: asyncpg.Pool


@pytest_asyncio.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    await migrate(database_dsn, app_password=APP_PASSWORD, archiver_password=ARCHIVER_PASSWORD)
    owner = await open_pool(database_dsn, max_size=2)
    app = await open_pool(login_dsn(database_dsn, APP, APP_PASSWORD), max_size=1)
    archiver = await open_pool(login_dsn(database_dsn, ARCHIVER, ARCHIVER_PASSWORD), max_size=4)
    yield Database(database_dsn, owner, app, archiver)
    for pool in (owner, app, archiver):
        pool.terminate()

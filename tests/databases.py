"""A migrated database of its own for a test, with a pool per login."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

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


@asynccontextmanager
async def migrated(dsn: str) -> AsyncIterator[Database]:
    """Migrate an empty database and open the pools."""
    await migrate(dsn, app_password=APP_PASSWORD, archiver_password=ARCHIVER_PASSWORD)
    owner = await open_pool(dsn, max_size=2)
    app = await open_pool(login_dsn(dsn, APP, APP_PASSWORD), max_size=1)
    archiver = await open_pool(login_dsn(dsn, ARCHIVER, ARCHIVER_PASSWORD), max_size=8)
    yield Database(dsn, owner, app, archiver)
    for pool in (owner, app, archiver):
        pool.terminate()

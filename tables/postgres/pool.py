"""Connections: one pool per login, and the only way to read a tenant's rows.

Never `SET ROLE`, never a tenant outside a transaction: a pooled connection would keep it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

APP, ARCHIVER, AUDITOR = "treasury_app", "treasury_archiver", "treasury_auditor"
COMMAND_TIMEOUT_S = 60.0


def login_dsn(dsn: str, user: str, password: str) -> str:
    """The same server and database for another login."""
    parts = urlsplit(dsn)
    place = parts.netloc.rpartition("@")[2]
    netloc = f"{quote(user, safe='')}:{quote(password, safe='')}@{place}"
    return urlunsplit(parts._replace(netloc=netloc))


async def open_pool(
    dsn: str,
    *,
    max_size: int = 10,
    command_timeout_s: float = COMMAND_TIMEOUT_S,
    password: Callable[[], Awaitable[str]] | None = None,
) -> asyncpg.Pool:
    """A pool of at most `max_size` connections; one is opened now.

    Each connection logs in with what `password` says then, if given, else with the DSN's.
    A connection whose other end is gone without a word is given up after two command timeouts:
    one for the answer, one for the request to cancel.
    """
    return await asyncpg.create_pool(
        dsn,
        password=password,
        min_size=1,
        max_size=max_size,
        timeout=20,
        command_timeout=command_timeout_s,
        server_settings={"application_name": "treasury", "timezone": "UTC"},
    )


@asynccontextmanager
async def tenant_transaction(
    pool: asyncpg.Pool, tenant_id: str, *, readonly: bool = False
) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that sees and writes rows of this tenant only, enforced by the database.

    Raises ValueError for an id that cannot be a tenant's (empty, or with NUL).
    """
    if not tenant_id or "\x00" in tenant_id:
        raise ValueError("not a tenant id")
    async with pool.acquire() as connection, connection.transaction(readonly=readonly):
        await connection.execute("SELECT set_config('app.tenant_id', $1, true)", tenant_id)
        yield connection

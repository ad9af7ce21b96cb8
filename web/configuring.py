"""A change of configuration: one transaction of one tenant, with its line in the audit log."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from tables.postgres.audit import note
from tables.postgres.pool import tenant_transaction
from web.api_keys import AWAY
from web.call import Call
from web.middleware import REQUEST_ID
from web.problems import unavailable


@dataclass(frozen=True)
class Change:
    """An open transaction; what is done in it is noted in it, or not done."""

    connection: asyncpg.Connection
    tenant_id: str
    actor: str
    request_id: str
    now: datetime

    async def note(
        self, action: str, resource: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Write the line; `detail` never holds what is secret."""
        await note(
            self.connection,
            self.tenant_id,
            actor=self.actor,
            action=action,
            resource=resource,
            request_id=self.request_id,
            detail=detail,
        )


@asynccontextmanager
async def configuring(call: Call, tenant_id: str = "") -> AsyncIterator[Change]:
    """A transaction on the configuration of this tenant, else the call's.

    Raises `Problem` 503 when Postgres is away: nothing was changed, or (a connection that broke at
    the commit) the caller reads what is there.
    """
    assert call.claims is not None
    tenant_id = tenant_id or call.tenant_id
    now = datetime.fromtimestamp(call.context.clock_ms() / 1000, UTC)
    try:
        async with tenant_transaction(call.context.pool, tenant_id) as connection:
            yield Change(connection, tenant_id, call.claims.subject, call.request[REQUEST_ID], now)
    except (*AWAY, asyncpg.PostgresError) as error:
        if isinstance(error, asyncpg.DataError | asyncpg.SyntaxOrAccessError):
            raise
        raise unavailable("configuration-unavailable", "Try again in a moment.") from error

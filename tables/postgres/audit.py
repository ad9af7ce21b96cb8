"""Who changed what beside the ledger, in the same transaction as the change; never amended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg
import msgspec


async def note(
    connection: asyncpg.Connection,
    tenant_id: str,
    *,
    actor: str,
    action: str,
    resource: str,
    request_id: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one line; `detail` holds no secret and no value that was one."""
    await connection.execute(
        """INSERT INTO audit_log (tenant_id, actor, action, resource, request_id, detail)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        tenant_id,
        actor,
        action,
        resource,
        request_id,
        msgspec.json.encode(detail or {}).decode(),
    )


async def lines(
    connection: asyncpg.Connection,
    tenant_id: str,
    *,
    actor: str = "",
    action: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int,
) -> list[asyncpg.Record]:
    """The newest lines first, those with a smaller id than `before`."""
    found: list[asyncpg.Record] = await connection.fetch(
        """SELECT id, at, actor, action, resource, detail, request_id FROM audit_log
           WHERE tenant_id = $1 AND ($2 = '' OR actor = $2) AND ($3 = '' OR action = $3)
             AND ($4::timestamptz IS NULL OR at >= $4) AND ($5::timestamptz IS NULL OR at < $5)
             AND ($6::bigint IS NULL OR id < $6)
           ORDER BY id DESC LIMIT $7""",
        tenant_id,
        actor,
        action,
        since,
        until,
        before,
        limit,
    )
    return found

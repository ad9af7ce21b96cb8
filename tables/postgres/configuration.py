"""A tenant's plain configuration as rows: validated before they come here, and no secrets.

The version counts a name's values; a row that was removed is gone, the audit log has it.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

_COLUMNS = "name, value::text AS value, version, written_at, written_by"


async def put_value(
    connection: asyncpg.Connection,
    tenant_id: str,
    name: str,
    value: str,
    *,
    by: str,
    now: datetime,
) -> asyncpg.Record:
    """Keep a value (JSON text) under a name; its row."""
    return await connection.fetchrow(
        f"""INSERT INTO configuration AS old
                (tenant_id, name, value, version, written_at, written_by)
            VALUES ($1, $2, $3, 1, $4, $5)
            ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value,
                version = old.version + 1, written_at = excluded.written_at,
                written_by = excluded.written_by
            RETURNING {_COLUMNS}""",  # noqa: S608
        tenant_id,
        name,
        value,
        now,
        by,
    )


async def remove_value(connection: asyncpg.Connection, tenant_id: str, name: str) -> bool:
    """Whether there was one."""
    status: str = await connection.execute(
        "DELETE FROM configuration WHERE tenant_id = $1 AND name = $2", tenant_id, name
    )
    return status == "DELETE 1"


async def read_values(
    connection: asyncpg.Connection, tenant_id: str, name: str | None = None
) -> Sequence[asyncpg.Record]:
    """All values of the tenant by name, or the one of this name."""
    found: Sequence[asyncpg.Record] = await connection.fetch(
        f"""SELECT {_COLUMNS} FROM configuration
            WHERE tenant_id = $1 AND ($2::text IS NULL OR name = $2) ORDER BY name""",  # noqa: S608
        tenant_id,
        name,
    )
    return found

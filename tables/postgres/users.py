"""People and services that have called, as their verified claims said last."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg


async def saw_user(
    connection: asyncpg.Connection,
    tenant_id: str,
    subject: str,
    *,
    name: str,
    email: str,
    roles: Sequence[str],
    at: datetime,
) -> None:
    """Note that they called."""
    await connection.execute(
        """INSERT INTO users AS u (tenant_id, subject, name, email, roles, first_seen, last_seen)
           VALUES ($1, $2, $3, $4, $5, $6, $6)
           ON CONFLICT (tenant_id, subject) DO UPDATE SET
               name = $3, email = $4, roles = $5, last_seen = greatest(u.last_seen, $6)""",
        tenant_id,
        subject,
        name,
        email,
        list(roles),
        at,
    )


async def names_of(
    connection: asyncpg.Connection, tenant_id: str, subjects: Sequence[str]
) -> dict[str, str]:
    """Subject to name, of those that are known by one."""
    rows = await connection.fetch(
        """SELECT subject, name FROM users
           WHERE tenant_id = $1 AND subject = ANY ($2) AND name <> ''""",
        tenant_id,
        list(subjects),
    )
    return {row["subject"]: row["name"] for row in rows}

"""Dead letters as operators see them: every tenant's, and those whose tenant nobody can tell."""

from typing import NamedTuple

import asyncpg


class DeadLetter(NamedTuple):
    """One refused event with the bytes it came as."""

    id: str
    tenant_id: str | None
    event_id: str
    event_type: str
    reason: str
    ingress: str
    received_at: str
    redrive_attempt: int
    redrive_status: str | None
    raw: bytes


_COLUMNS = """id, tenant_id, event_id, event_type, reason, ingress,
              to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
              redrive_attempt, redrive_status, raw"""


async def newest(
    pool: asyncpg.Pool, *, tenant_id: str | None, reason: str | None, limit: int
) -> list[DeadLetter]:
    """The newest dead letters, of one tenant or all, whose reason begins with `reason`."""
    rows = await pool.fetch(
        f"""SELECT {_COLUMNS} FROM dead_letters
            WHERE ($1::text IS NULL OR tenant_id = $1)
              AND ($2::text IS NULL OR starts_with(reason, $2))
            ORDER BY received_at DESC, id LIMIT $3""",  # noqa: S608  a constant list of columns
        tenant_id,
        reason,
        limit,
    )
    return [DeadLetter(*row) for row in rows]


async def one(pool: asyncpg.Pool, letter_id: str) -> DeadLetter | None:
    """The dead letter of this id."""
    row = await pool.fetchrow(
        f"SELECT {_COLUMNS} FROM dead_letters WHERE id = $1",  # noqa: S608  as above
        letter_id,
    )
    return None if row is None else DeadLetter(*row)

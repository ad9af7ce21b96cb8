"""What gateways and payers' pages ask of the read models: whose a link is, how calls have ended."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg


async def tenant_of_link(pool: asyncpg.Pool, token: str) -> str | None:
    """Whose payment link this is; None if nobody's. For a login that reads all tenants' rows."""
    found: str | None = await pool.fetchval(
        "SELECT tenant_id FROM resources WHERE kind = 'ln' AND id = $1", token
    )
    return found


async def calls_by_outcome(
    connection: asyncpg.Connection, tenant_id: str, within: timedelta
) -> Sequence[asyncpg.Record]:
    """(gateway, outcome, count) of a tenant's calls that are no older; open ones have none."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        """SELECT body ->> 'gateway' AS gateway, body ->> 'outcome' AS outcome,
                  count(*)::int AS count
           FROM resources
           WHERE tenant_id = $1 AND kind = 'ca' AND created_at > clock_timestamp() - $2::interval
           GROUP BY 1, 2""",
        tenant_id,
        within,
    )
    return rows

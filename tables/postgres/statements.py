"""What statements of an account say it began and ended with."""

from collections.abc import Sequence

import asyncpg


async def balances_told(
    connection: asyncpg.Connection, tenant_id: str, account: str
) -> Sequence[asyncpg.Record]:
    """(id, account, asset, from_day, to_day, opening, closing), minor units; of all accounts if
    none is named.

    `opening` and `closing` are None where a statement tells none.
    """
    found: Sequence[asyncpg.Record] = await connection.fetch(
        """SELECT id, asset, body ->> 'account' AS account,
                  body ->> 'from_day' AS from_day, body ->> 'to_day' AS to_day,
                  (body ->> 'opening')::numeric AS opening, (body ->> 'closing')::numeric AS closing
           FROM resources
           WHERE tenant_id = $1 AND kind = 'bs' AND ($2 = '' OR body ->> 'account' = $2)""",
        tenant_id,
        account,
    )
    return found

"""What parties owe and are owed, by age: from the read models, inside `tenant_transaction`.

Everything that is open is an item of one party and one currency: invoices, bills and expenses with
their outstanding amounts, credits, and what is owed to payees. Only dated items grow old.
"""

from collections.abc import Sequence
from datetime import date

import asyncpg

SIDES = ("receivable", "payable")
AGES = ("not_due", "days_1_30", "days_31_60", "days_61_90", "days_over_90")
"""How long an item is past its due date; without one it is not due."""
AMOUNTS = (*SIDES, "credit", "earnings", *(f"{side}_{age}" for side in SIDES for age in AGES))
"""Members of a line that are amounts: what is open, and the ages of it."""

_AGE = """CASE WHEN days IS NULL OR days <= 0 THEN 'not_due' WHEN days <= 30 THEN 'days_1_30'
    WHEN days <= 60 THEN 'days_31_60' WHEN days <= 90 THEN 'days_61_90' ELSE 'days_over_90' END"""


def _member(name: str) -> str:
    return f"(body ->> '{name}')::numeric"


def _items(kind: str, statuses: str, side: str, minor: str, days: str = "NULL::int") -> str:
    return f"""SELECT customer_id AS party, asset, '{side}' AS side, {minor} AS minor,
                      {days} AS days
               FROM resources WHERE tenant_id = $1 AND kind = '{kind}' AND status IN ({statuses})
                 AND ($3::text IS NULL OR customer_id = $3)"""  # noqa: S608


_PAST_DUE = "$2::date - NULLIF(body ->> 'due_date', '')::date"
_OPEN = "'open', 'partially_paid'"
_UNPAID = " - ".join(map(_member, ("total", "paid", "credited", "withheld", "written_off")))
_OWED = f"{_member('total')} + {_member('adjusted')} - " + " - ".join(
    map(_member, ("withheld", "paid", "pending"))
)
_SPENT = " - ".join(map(_member, ("total", "paid", "pending")))
_EARNINGS = f"""
    SELECT substr(body ->> 'account', 10) AS party, asset, 'earnings' AS side,
           {_member("credits")} - {_member("debits")} AS minor, NULL::int AS days
    FROM resources WHERE tenant_id = $1 AND kind = 'ba'
      AND starts_with(body ->> 'account', 'earnings:')
      AND ($3::text IS NULL OR body ->> 'account' = 'earnings:' || $3)
"""  # noqa: S608
_ALL = " UNION ALL ".join(
    (
        _items("iv", _OPEN, "receivable", _UNPAID, _PAST_DUE),
        _items("bl", _OPEN, "payable", _OWED, _PAST_DUE),
        _items("ex", "'approved'", "payable", _SPENT),
        _items("cr", "''", "credit", _member("amount")),
        _EARNINGS,
    )
)


def _sum(condition: str, name: str) -> str:
    return f"coalesce(sum(minor) FILTER (WHERE {condition}), 0) AS {name}"


_COLUMNS = ", ".join(
    [
        *(_sum(f"side = '{side}'", side) for side in (*SIDES, "credit", "earnings")),
        *(
            _sum(f"side = '{side}' AND age = '{age}'", f"{side}_{age}")
            for side in SIDES
            for age in AGES
        ),
    ]
)
_PARTIES = f"""
    SELECT party, asset, {_COLUMNS}
    FROM (SELECT *, {_AGE} AS age FROM ({_ALL}) AS items WHERE minor <> 0) AS aged
    WHERE ($4::text IS NULL OR (party, asset) > ($4, $5::text))
    GROUP BY party, asset ORDER BY party, asset LIMIT $6
"""  # noqa: S608


async def parties(
    connection: asyncpg.Connection,
    tenant_id: str,
    today: date,
    *,
    party_id: str | None = None,
    after: tuple[str, str] | None = None,
    limit: int,
) -> Sequence[asyncpg.Record]:
    """(party, asset, …) of all, or of one, with something open, behind `after`, by party.

    The party is empty for what nobody is named for. Sums are NUMERIC minor units.
    """
    behind = after or (None, None)
    found: Sequence[asyncpg.Record] = await connection.fetch(
        _PARTIES, tenant_id, today, party_id, *behind, limit
    )
    return found


async def is_known(connection: asyncpg.Connection, tenant_id: str, party_id: str) -> bool:
    """Whether any document or payee of the tenant names the party."""
    known: bool = await connection.fetchval(
        """SELECT EXISTS (SELECT FROM resources WHERE tenant_id = $1 AND customer_id = $2)
               OR EXISTS (SELECT FROM resources WHERE tenant_id = $1 AND kind = 'ba'
                          AND body ->> 'account' = 'earnings:' || $2)""",
        tenant_id,
        party_id,
    )
    return known

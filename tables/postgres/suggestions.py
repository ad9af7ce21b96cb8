"""What an open line of a statement may be, by amount, day and party: for people, never a match."""

from collections.abc import Sequence
from datetime import date

import asyncpg

from tables.statements import StatementLine

WITHIN_DAYS = 30
SUGGESTIONS_MAX = 20


def _member(name: str) -> str:
    return f"(body ->> '{name}')::numeric"


def _candidates(kind: str, name: str, where: str, *, minor: str, day: str) -> str:
    return f"""SELECT '{name}' AS kind, id, customer_id AS party, asset, {minor} AS minor,
                      NULLIF({day}, '')::date AS day
               FROM resources WHERE tenant_id = $1 AND kind = '{kind}' AND {where}"""  # noqa: S608


_UNPAID = " - ".join(map(_member, ("total", "paid", "credited", "withheld", "written_off")))
_LESS = " + ".join(map(_member, ("withheld", "paid", "pending")))
_OWED = f"{_LESS} - {_member('total')} - {_member('adjusted')}"
_SPENT = f"{_member('paid')} + {_member('pending')} - {_member('total')}"
_NET = " - ".join(map(_member, ("gross", "refunds", "fees", "payouts", "disputes")))
_OPEN = "status IN ('open', 'partially_paid')"
_ISSUED, _MADE = "body ->> 'issued_date'", "created_at::date::text"
_HERE = "status = 'open' AND body ->> 'account' = $6"
_EXPECTED, _DAY = "body ->> 'expected_date'", "body ->> 'day'"
_ALL = " UNION ALL ".join(
    (
        _candidates("iv", "invoice", _OPEN, minor=_UNPAID, day=_ISSUED),
        _candidates("bl", "bill", _OPEN, minor=_OWED, day=_ISSUED),
        _candidates("ex", "expense", "status = 'approved'", minor=_SPENT, day=_MADE),
        _candidates("st", "settlement", "status = 'expected'", minor=_NET, day=_EXPECTED),
        _candidates("bi", "item", _HERE, minor=_member("minor"), day=_DAY),
    )
)


async def suggestions(
    connection: asyncpg.Connection, tenant_id: str, line: StatementLine
) -> Sequence[asyncpg.Record]:
    """(kind, id, party, minor, day, is_named, days) of what has a line's amount, within 30 days.

    Those whose party the line's words name come first, then the nearest.
    """
    words = f"{line.party} {line.reference} {line.text}".lower()
    found: Sequence[asyncpg.Record] = await connection.fetch(
        f"""SELECT kind, id, party, minor, day, abs(day - $4::date) AS days,
                   party <> '' AND strpos($5, lower(party)) > 0 AS is_named
            FROM ({_ALL}) AS candidates
            WHERE asset = $2 AND minor = $3 AND abs(day - $4::date) <= {WITHIN_DAYS}
            ORDER BY is_named DESC, days, kind, id LIMIT {SUGGESTIONS_MAX}""",  # noqa: S608
        tenant_id,
        line.asset,
        line.minor,
        date.fromisoformat(line.day),
        words,
        line.account,
    )
    return found

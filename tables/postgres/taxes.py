"""What a month's VAT return needs of the books, bills without a document, certificates."""

from datetime import date

import asyncpg


async def booked_tax(
    connection: asyncpg.Connection,
    tenant_id: str,
    account: str,
    asset: str,
    days: tuple[date, date],
) -> int:
    """Debits less credits (minor units) of a tax account from a day to before another.

    A journal by hand with another tax account in it settles taxes of months before, or brings
    them in from other books: it is no tax of its own month.
    """
    found = await connection.fetchval(
        """SELECT coalesce(sum(p.minor), 0)
           FROM postings AS p JOIN entries AS e USING (tenant_id, partition, seq, ordinal)
           WHERE p.tenant_id = $1 AND p.account = $2 AND p.asset = $3
             AND p.booked_on >= $4 AND p.booked_on < $5
             AND NOT (e.event_type LIKE 'treasury.command.journal.%' AND EXISTS (
                SELECT FROM postings AS o
                WHERE o.tenant_id = p.tenant_id AND o.partition = p.partition AND o.seq = p.seq
                  AND o.ordinal = p.ordinal AND o.asset = p.asset
                  AND o.account <> p.account AND o.account LIKE 'tax:%'))""",
        tenant_id,
        account,
        asset,
        *days,
    )
    return int(found)


async def undocumented_tax(
    connection: asyncpg.Connection, tenant_id: str, asset: str, period: str
) -> int:
    """Tax (minor units) of a month's bills that count and have no number of a tax document."""
    found = await connection.fetchval(
        """SELECT coalesce(sum((body->>'tax')::numeric), 0) FROM resources
           WHERE tenant_id = $1 AND kind = 'bl' AND asset = $2
             AND status IN ('open', 'partially_paid', 'paid')
             AND body->>'issued_date' LIKE $3 || '-%'
             AND coalesce(body->>'tax_document', '') = ''""",
        tenant_id,
        asset,
        period,
    )
    return int(found)


async def certified(
    connection: asyncpg.Connection, tenant_id: str, kind: str, asset: str, period: str
) -> int:
    """What the certificates of a kind that were issued in a month come to, in minor units."""
    found = await connection.fetchval(
        """SELECT coalesce(sum((body->>'minor')::numeric), 0) FROM resources
           WHERE tenant_id = $1 AND kind = 'tc' AND asset = $2
             AND body->>'kind' = $3 AND body->>'issued_day' LIKE $4 || '-%'""",
        tenant_id,
        asset,
        kind,
        period,
    )
    return int(found)

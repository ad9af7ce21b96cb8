"""What a month's VAT return needs beside the books: bills without a document, certificates."""

import asyncpg


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

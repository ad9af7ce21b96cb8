"""What pages of invoices and receipts need of the read models: inside a tenant's transaction."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import asyncpg
import msgspec

from streams.money import plain
from tables.invoices import Invoice
from tables.payments import Payment
from tables.row import Row, restored

R = TypeVar("R", bound=Row)
PAYMENTS_MAX = 200
"""Shown of one invoice."""


async def row_of(
    connection: asyncpg.Connection, kind: type[R], tenant_id: str, row_id: str
) -> R | None:
    """One row as it was projected last."""
    found = await _rows(connection, kind, tenant_id, [row_id])
    return found[0] if found else None


async def invoices_of(
    connection: asyncpg.Connection, tenant_id: str, ids: Iterable[str]
) -> dict[str, Invoice]:
    """Invoices by id."""
    found = await _rows(connection, Invoice, tenant_id, ids)
    return {invoice.invoice_id: invoice for invoice in found}


async def payments_of(
    connection: asyncpg.Connection, tenant_id: str, invoice_id: str
) -> list[Payment]:
    """Payments of which some money is on an invoice, whoever brought it there; oldest first."""
    wanted = [msgspec.json.encode([[kind, invoice_id]]).decode() for kind in ("invoice", "quoted")]
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        """SELECT body::text AS body FROM resources
           WHERE tenant_id = $1 AND kind = 'pi'
             AND (body -> 'placements' @> $2::jsonb OR body -> 'placements' @> $3::jsonb)
           ORDER BY created_at, id LIMIT $4""",
        tenant_id,
        *wanted,
        PAYMENTS_MAX,
    )
    return [restored(Payment, plain(row["body"])) for row in rows]


async def customer_name(connection: asyncpg.Connection, tenant_id: str, customer_id: str) -> str:
    """The name of a customer whom the tenant has told us of, else empty."""
    name = await connection.fetchval(
        "SELECT name FROM contacts WHERE tenant_id = $1 AND customer_id = $2",
        tenant_id,
        customer_id,
    )
    return name or ""


async def _rows(
    connection: asyncpg.Connection, kind: type[R], tenant_id: str, ids: Iterable[str]
) -> list[R]:
    rows = await connection.fetch(
        """SELECT body::text AS body FROM resources
           WHERE tenant_id = $1 AND kind = $2 AND id = ANY ($3)""",
        tenant_id,
        kind.KIND,
        list(ids),
    )
    return [restored(kind, plain(row["body"])) for row in rows]

"""Who a tenant's customers are and how they are reached: personal data, and so beside the log.

A contact that is removed is gone, and what the audit log has of it names no address.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from tables.postgres.lists import Where

_COLUMNS = "customer_id, name, email, phone, channels, version, written_at, written_by"
Rows = Sequence[asyncpg.Record]


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One customer; an address may be empty."""

    tenant_id: str
    customer_id: str
    name: str = field(repr=False)
    email: str = field(repr=False)
    phone: str = field(repr=False)
    channels: Sequence[str]


async def put_contact(
    connection: asyncpg.Connection, contact: ContactRow, *, by: str, now: datetime
) -> asyncpg.Record:
    """Keep a contact in place of the one before it; the row."""
    return await connection.fetchrow(
        f"""INSERT INTO contacts AS old (tenant_id, customer_id, name, email, phone, channels,
                                         version, written_at, written_by)
            VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8)
            ON CONFLICT (tenant_id, customer_id) DO UPDATE SET name = excluded.name,
                email = excluded.email, phone = excluded.phone, channels = excluded.channels,
                version = old.version + 1, written_at = excluded.written_at,
                written_by = excluded.written_by
            RETURNING {_COLUMNS}""",  # noqa: S608
        contact.tenant_id,
        contact.customer_id,
        contact.name,
        contact.email,
        contact.phone,
        list(contact.channels),
        now,
        by,
    )


async def remove_contact(connection: asyncpg.Connection, tenant_id: str, customer_id: str) -> bool:
    """Whether there was one."""
    status: str = await connection.execute(
        "DELETE FROM contacts WHERE tenant_id = $1 AND customer_id = $2", tenant_id, customer_id
    )
    return status == "DELETE 1"


async def get_contact(
    connection: asyncpg.Connection, tenant_id: str, customer_id: str
) -> asyncpg.Record | None:
    """One customer's."""
    return await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM contacts WHERE tenant_id = $1 AND customer_id = $2",  # noqa: S608
        tenant_id,
        customer_id,
    )


async def list_contacts(
    connection: asyncpg.Connection,
    tenant_id: str,
    *,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Rows:
    """Those written last come first, behind `after` (written_at, customer_id)."""
    where = Where()
    where.add("tenant_id = ?", tenant_id)
    if after is not None:
        where.add("(written_at, customer_id) < (?, ?)", *after)
    where.values.append(limit)
    found: Rows = await connection.fetch(
        f"""SELECT {_COLUMNS} FROM contacts WHERE {where.sql}
            ORDER BY written_at DESC, customer_id DESC LIMIT ${len(where.values)}""",  # noqa: S608
        *where.values,
    )
    return found


async def tenants_with_contacts(
    connection: asyncpg.Connection, tenant_ids: Iterable[str]
) -> set[str]:
    """Those of the tenants who have told us of any customer."""
    rows = await connection.fetch(
        """SELECT tenant_id FROM unnest($1::text[]) AS wanted (tenant_id)
           WHERE EXISTS (SELECT FROM contacts AS c WHERE c.tenant_id = wanted.tenant_id)""",
        list(tenant_ids),
    )
    return {row["tenant_id"] for row in rows}


async def contacts_of(
    connection: asyncpg.Connection, customers: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], ContactRow]:
    """Contacts by (tenant, customer); for a login that reads all tenants' rows."""
    pairs = list(customers)
    rows = await connection.fetch(
        """SELECT tenant_id, customer_id, name, email, phone, channels FROM contacts
           JOIN unnest($1::text[], $2::text[]) AS wanted (tenant_id, customer_id)
             USING (tenant_id, customer_id)""",
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
    )
    return {(row["tenant_id"], row["customer_id"]): ContactRow(**row) for row in rows}

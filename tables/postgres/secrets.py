"""Sealed secrets as rows. Nothing here can open one (connectors/envelope.py does).

States: set (a box), removed (none). The version counts a name's values and never goes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

PLATFORM = "*"
"""The tenant of the platform's defaults; no id of a tenant can be this."""


@dataclass(frozen=True, slots=True)
class SecretRow:
    """One name's row; the sealed parts are None once it was removed."""

    tenant_id: str
    name: str
    version: int
    fingerprint: str
    keyed_at: datetime
    written_at: datetime
    written_by: str
    master_id: str | None
    wrapped_key: bytes | None = field(repr=False)
    box: bytes | None = field(repr=False)


_COLUMNS = (
    "tenant_id, name, version, fingerprint, keyed_at, written_at, written_by, "
    "master_id, wrapped_key, box"
)


async def read_secret(
    connection: asyncpg.Connection, tenant_id: str, name: str, *, lock: bool = False
) -> SecretRow | None:
    """The row of this name, removed or not; locked until the transaction ends if asked."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM secrets WHERE tenant_id = $1 AND name = $2"  # noqa: S608
        + (" FOR UPDATE" if lock else ""),
        tenant_id,
        name,
    )
    return None if row is None else SecretRow(**row)


async def read_secrets(
    connection: asyncpg.Connection, tenant_ids: Sequence[str], prefix: str = ""
) -> list[SecretRow]:
    """All that are set for these tenants, by tenant and name."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM secrets WHERE tenant_id = ANY ($1) AND box IS NOT NULL"  # noqa: S608
        " AND starts_with(name, $2) ORDER BY tenant_id, name",
        list(tenant_ids),
        prefix,
    )
    return [SecretRow(**row) for row in rows]


async def write_secret(connection: asyncpg.Connection, row: SecretRow) -> bool:
    """Store the next value of a name; False if another one has its version already."""
    written = await connection.fetchval(
        f"""INSERT INTO secrets AS s ({_COLUMNS})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT (tenant_id, name) DO UPDATE SET
                version = $3, fingerprint = $4, keyed_at = $5, written_at = $6, written_by = $7,
                master_id = $8, wrapped_key = $9, box = $10
            WHERE s.version = $3 - 1
            RETURNING 1""",  # noqa: S608
        row.tenant_id,
        row.name,
        row.version,
        row.fingerprint,
        row.keyed_at,
        row.written_at,
        row.written_by,
        row.master_id,
        row.wrapped_key,
        row.box,
    )
    return written is not None


async def due_secrets(
    connection: asyncpg.Connection,
    master_id: str,
    keyed_before: datetime,
    after: tuple[str, str],
    limit: int,
) -> list[SecretRow]:
    """Some that another master key sealed, or whose data key is older than this moment.

    By tenant and name, those behind `after`.
    """
    rows = await connection.fetch(
        f"""SELECT {_COLUMNS} FROM secrets
            WHERE box IS NOT NULL AND (master_id <> $1 OR keyed_at < $2)
              AND (tenant_id, name) > ($3, $4)
            ORDER BY tenant_id, name LIMIT $5""",  # noqa: S608
        master_id,
        keyed_before,
        *after,
        limit,
    )
    return [SecretRow(**row) for row in rows]


async def reseal(connection: asyncpg.Connection, before: SecretRow, after: SecretRow) -> bool:
    """Put the same value under other keys; False if the row was written or resealed meanwhile."""
    done = await connection.fetchval(
        """UPDATE secrets SET fingerprint = $5, keyed_at = $6, master_id = $7, wrapped_key = $8,
               box = $9
           WHERE tenant_id = $1 AND name = $2 AND version = $3 AND wrapped_key = $4
           RETURNING 1""",
        before.tenant_id,
        before.name,
        before.version,
        before.wrapped_key,
        after.fingerprint,
        after.keyed_at,
        after.master_id,
        after.wrapped_key,
        after.box,
    )
    return done is not None


async def oldest_key(connection: asyncpg.Connection) -> datetime | None:
    """When the oldest data key in use was made."""
    moment: datetime | None = await connection.fetchval(
        "SELECT min(keyed_at) FROM secrets WHERE box IS NOT NULL"
    )
    return moment


async def master_ids(connection: asyncpg.Connection) -> tuple[frozenset[str], frozenset[str]]:
    """(ids registered, ids that sealed something that is still there)."""
    known = await connection.fetch("SELECT master_id FROM master_keys")
    used = await connection.fetch("SELECT DISTINCT master_id FROM secrets WHERE box IS NOT NULL")
    return frozenset(row[0] for row in known), frozenset(row[0] for row in used)


async def register_master(connection: asyncpg.Connection, master_id: str) -> None:
    """Note a master key that may seal from now on."""
    await connection.execute(
        "INSERT INTO master_keys (master_id) VALUES ($1) ON CONFLICT DO NOTHING", master_id
    )


async def retire_masters(connection: asyncpg.Connection, current_id: str) -> list[str]:
    """Forget the master keys that seal nothing any more; the ids forgotten."""
    rows = await connection.fetch(
        """DELETE FROM master_keys m WHERE master_id <> $1
           AND NOT EXISTS (SELECT FROM secrets s WHERE s.master_id = m.master_id)
           RETURNING master_id""",
        current_id,
    )
    return [row[0] for row in rows]


async def count_by_master(
    connection: asyncpg.Connection,
) -> list[tuple[str, tuple[int, datetime | None]]]:
    """Each registered master key: how many secrets it seals, and the oldest data key of those."""
    rows = await connection.fetch(
        """SELECT m.master_id, count(s.name) AS secrets, min(s.keyed_at) AS oldest
           FROM master_keys m LEFT JOIN secrets s USING (master_id)
           GROUP BY m.master_id, m.registered_at ORDER BY m.registered_at"""
    )
    return [(row["master_id"], (row["secrets"], row["oldest"])) for row in rows]

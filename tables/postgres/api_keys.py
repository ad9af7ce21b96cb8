"""Keys of services as rows: hashes of their secrets, never a secret.

States: active (within `expires_at`), revoked. Guarantees: at most two secrets are good at a time,
the newer for ever, the older until `previous_until`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

_SHOWN = (
    "key_id, name, mode, scopes, created_at, created_by, rotated_at, previous_until, expires_at,"
    " revoked_at"
)


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is stored of a key at its making."""

    tenant_id: str
    key_id: str
    name: str
    mode: str
    scopes: Sequence[str]
    secret_hash: bytes = field(repr=False)
    created_at: datetime
    created_by: str
    expires_at: datetime | None


async def insert_key(connection: asyncpg.Connection, key: NewKey) -> asyncpg.Record:
    """Store a new key; the row as it is shown."""
    return await connection.fetchrow(
        f"""INSERT INTO api_keys (tenant_id, key_id, name, mode, scopes, secret_hash, created_at,
                                  created_by, rotated_at, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7, $9) RETURNING {_SHOWN}""",  # noqa: S608
        key.tenant_id,
        key.key_id,
        key.name,
        key.mode,
        list(key.scopes),
        key.secret_hash,
        key.created_at,
        key.created_by,
        key.expires_at,
    )


async def rotate_key(
    connection: asyncpg.Connection,
    tenant_id: str,
    key_id: str,
    secret_hash: bytes,
    *,
    now: datetime,
    until: datetime,
) -> asyncpg.Record | None:
    """Put a new secret in, the one before it good until then; None unless the key is active."""
    return await connection.fetchrow(
        f"""UPDATE api_keys SET previous_hash = secret_hash, previous_until = $5, secret_hash = $3,
                rotated_at = $4
            WHERE tenant_id = $1 AND key_id = $2 AND revoked_at IS NULL RETURNING {_SHOWN}""",  # noqa: S608
        tenant_id,
        key_id,
        secret_hash,
        now,
        until,
    )


async def revoke_key(
    connection: asyncpg.Connection, tenant_id: str, key_id: str, now: datetime
) -> asyncpg.Record | None:
    """End a key at once, for good; its row, the same again if it was ended before."""
    return await connection.fetchrow(
        f"""UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3)
            WHERE tenant_id = $1 AND key_id = $2 RETURNING {_SHOWN}""",  # noqa: S608
        tenant_id,
        key_id,
        now,
    )


async def get_key(
    connection: asyncpg.Connection, tenant_id: str, key_id: str
) -> asyncpg.Record | None:
    """The row as it is shown."""
    return await connection.fetchrow(
        f"SELECT {_SHOWN} FROM api_keys WHERE tenant_id = $1 AND key_id = $2",  # noqa: S608
        tenant_id,
        key_id,
    )


async def list_keys(
    connection: asyncpg.Connection,
    tenant_id: str,
    *,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[asyncpg.Record]:
    """Newest first, behind `after` (created_at, key_id)."""
    created_at, key_id = after or (None, "")
    found: Sequence[asyncpg.Record] = await connection.fetch(
        f"""SELECT {_SHOWN} FROM api_keys
            WHERE tenant_id = $1
              AND ($2::timestamptz IS NULL OR (created_at, key_id) < ($2, $3))
            ORDER BY created_at DESC, key_id DESC LIMIT $4""",  # noqa: S608
        tenant_id,
        created_at,
        key_id,
        limit,
    )
    return found


async def find_hashes(
    connection: asyncpg.Connection, tenant_id: str, key_id: str
) -> asyncpg.Record | None:
    """What a secret is checked against."""
    return await connection.fetchrow(
        """SELECT mode, scopes, secret_hash, previous_hash, previous_until, expires_at, revoked_at
           FROM api_keys WHERE tenant_id = $1 AND key_id = $2""",
        tenant_id,
        key_id,
    )

"""Rows of chains: whose wallets there are, how far each is followed, what was signed under which
nonce. Says nothing of what any of it means.
"""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg


class Batch(NamedTuple):
    """Wallets of one tenant that are watched together since one moment (Unix, seconds)."""

    chain: str
    tenant_id: str
    number: int
    added_s: int
    addresses: tuple[str, ...]


class FollowRow(NamedTuple):
    """How far a batch is followed; `version` is the fence of who moves it on."""

    version: int
    genesis: str
    turn: int
    state: bytes
    untold: bytes


# -- wallets --------------------------------------------------------------------------------------


async def add_wallets(
    connection: asyncpg.Connection, tenant_id: str, chain: str, addresses: Sequence[str]
) -> bool:
    """Have these addresses be the tenant's; False if one is another's (then nothing may stay).

    Within the caller's transaction. Those that are the tenant's already stay in their batch.
    """
    lock = "SELECT pg_advisory_xact_lock(hashtextextended('chain wallets ' || $1, 0))"
    await connection.execute(lock, tenant_id)
    await connection.execute(
        """INSERT INTO chain_wallets (chain, address, tenant_id, batch)
           SELECT $2, address, $1,
                  (SELECT coalesce(max(batch), 0) + 1 FROM chain_wallets
                   WHERE tenant_id = $1 AND chain = $2)
           FROM unnest($3::text[]) AS address ON CONFLICT DO NOTHING""",
        tenant_id,
        chain,
        list(addresses),
    )
    ours: int = await connection.fetchval(
        """SELECT count(*) FROM chain_wallets
           WHERE tenant_id = $1 AND chain = $2 AND address = ANY ($3::text[])""",
        tenant_id,
        chain,
        list(addresses),
    )
    return ours == len(set(addresses))


async def read_wallets(pool: asyncpg.Pool, tenant_id: str, chain: str) -> frozenset[str]:
    """All wallets of one tenant on one chain."""
    rows = await pool.fetch(
        "SELECT address FROM chain_wallets WHERE tenant_id = $1 AND chain = $2", tenant_id, chain
    )
    return frozenset(row[0] for row in rows)


async def read_batches(pool: asyncpg.Pool) -> list[Batch]:
    """All wallets there are, as they are watched."""
    rows = await pool.fetch(
        """SELECT chain, tenant_id, batch, extract(epoch FROM min(added_at))::bigint AS added_s,
                  array_agg(address ORDER BY address) AS addresses
           FROM chain_wallets GROUP BY chain, tenant_id, batch
           ORDER BY tenant_id, chain, batch"""
    )
    return [Batch(row[0], row[1], row[2], row[3], tuple(row[4])) for row in rows]


# -- following ------------------------------------------------------------------------------------


async def read_follow(pool: asyncpg.Pool, batch: Batch) -> FollowRow | None:
    """How far it is followed; None before the first round."""
    row = await pool.fetchrow(
        """SELECT version, genesis, turn, state, untold FROM chain_follows
           WHERE chain = $1 AND tenant_id = $2 AND batch = $3""",
        *batch[:3],
    )
    return None if row is None else FollowRow(*row)


async def write_follow(pool: asyncpg.Pool, batch: Batch, row: FollowRow) -> bool:
    """Store the row as its version; False if somebody else has moved on from the one before."""
    status = await pool.execute(
        """INSERT INTO chain_follows AS old
               (chain, tenant_id, batch, version, genesis, turn, state, untold)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
           ON CONFLICT (chain, tenant_id, batch) DO UPDATE SET version = excluded.version,
               genesis = excluded.genesis, turn = excluded.turn, state = excluded.state,
               untold = excluded.untold, moved_at = clock_timestamp()
           WHERE old.version = excluded.version - 1""",
        *batch[:3],
        *row,
    )
    return bool(status == "INSERT 0 1")


# -- signing --------------------------------------------------------------------------------------


async def reserve_nonce(
    connection: asyncpg.Connection, chain_id: int, address: str, key: str, at_least: int
) -> int:
    """The nonce of a key: its own, else the next that nobody has. In a transaction of its own."""
    lock = "SELECT pg_advisory_xact_lock(hashtextextended('nonces ' || $1 || '/' || $2, 0))"
    await connection.execute(lock, str(chain_id), address)
    known: int | None = await connection.fetchval(
        "SELECT nonce FROM chain_nonces WHERE chain_id = $1 AND address = $2 AND key = $3",
        chain_id,
        address,
        key,
    )
    if known is not None:
        return known
    new: int = await connection.fetchval(
        """INSERT INTO chain_nonces (chain_id, address, nonce, key)
           SELECT $1, $2, greatest($4, coalesce(max(nonce), -1) + 1), $3
           FROM chain_nonces WHERE chain_id = $1 AND address = $2 RETURNING nonce""",
        chain_id,
        address,
        key,
        at_least,
    )
    return new


class SignedRow(NamedTuple):
    """Bytes that were signed under a nonce, and the name that they have."""

    chain_id: int
    address: str
    nonce: int
    tx_hash: str
    raw: bytes


async def store_signed(pool: asyncpg.Pool, row: SignedRow) -> None:
    """Keep bytes under a nonce, beside those that are there."""
    await pool.execute(
        """INSERT INTO chain_signed (chain_id, address, nonce, tx_hash, raw)
           VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING""",
        *row,
    )


_KEPT = """
    SELECT n.key, n.nonce, s.raw, s.tx_hash
    FROM chain_nonces n LEFT JOIN chain_signed s USING (chain_id, address, nonce)
    WHERE n.chain_id = $1 AND n.address = $2
"""


async def read_kept(
    pool: asyncpg.Pool, chain_id: int, address: str, key: str | None = None
) -> Sequence[asyncpg.Record]:
    """(key, nonce, raw, tx_hash), oldest bytes first: of one key, or of all that has not ended."""
    found: Sequence[asyncpg.Record]
    if key is None:
        some = f"{_KEPT} AND NOT n.ended ORDER BY n.nonce, s.ordinal"
        found = await pool.fetch(some, chain_id, address)
    else:
        some = f"{_KEPT} AND n.key = $3 ORDER BY s.ordinal"
        found = await pool.fetch(some, chain_id, address, key)
    return found


async def end_nonce(
    pool: asyncpg.Pool, chain_id: int, address: str, nonce: int, block_hash: str
) -> None:
    """It is used in this block, which counts."""
    await pool.execute(
        """UPDATE chain_nonces SET ended = true, block_hash = $4
           WHERE chain_id = $1 AND address = $2 AND nonce = $3""",
        chain_id,
        address,
        nonce,
        block_hash,
    )


class InBlock(NamedTuple):
    """A transaction of ours, and the block that it is in."""

    chain_id: int
    raw: bytes
    block_hash: str


async def read_in_block(pool: asyncpg.Pool, tx_hash: str) -> InBlock | None:
    """A transaction of ours, once it is in a block that counts."""
    row = await pool.fetchrow(
        """SELECT s.chain_id, s.raw, n.block_hash
           FROM chain_signed s JOIN chain_nonces n USING (chain_id, address, nonce)
           WHERE s.tx_hash = $1 AND n.ended AND n.block_hash <> ''""",
        tx_hash,
    )
    return None if row is None else InBlock(*row)


# -- proofs ---------------------------------------------------------------------------------------


async def settled_rows(
    connection: asyncpg.Connection, tenant_id: str, settlement_id: str
) -> Sequence[asyncpg.Record]:
    """(kind, body) of a settlement's payments, payouts and refunds, in the order of a proof."""
    found: Sequence[asyncpg.Record] = await connection.fetch(
        """SELECT kind, body::text AS body FROM resources
           WHERE tenant_id = $1 AND body ->> 'settlement_id' = $2
             AND body ->> 'settlement_id' <> '' AND kind IN ('pi', 'po', 're')
           ORDER BY kind, id""",
        tenant_id,
        settlement_id,
    )
    return found


async def keep_leaves(
    connection: asyncpg.Connection, tenant_id: str, root: str, leaves: Sequence[str]
) -> None:
    """Keep the lines under a root, in their order: the same root has the same lines."""
    await connection.executemany(
        """INSERT INTO proof_leaves (tenant_id, root, place, leaf) VALUES ($1, $2, $3, $4)
           ON CONFLICT DO NOTHING""",
        [(tenant_id, root, place, leaf) for place, leaf in enumerate(leaves)],
    )


async def read_leaves(connection: asyncpg.Connection, tenant_id: str, root: str) -> list[str]:
    """The lines under a root, in their order."""
    rows = await connection.fetch(
        "SELECT leaf FROM proof_leaves WHERE tenant_id = $1 AND root = $2 ORDER BY place",
        tenant_id,
        root,
    )
    return [row[0] for row in rows]

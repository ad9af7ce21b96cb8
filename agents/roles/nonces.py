"""Nonces and signed bytes of our wallets, in Postgres, for all processes (connectors/chain/nonces).

While Postgres is away nothing can be signed: that is said as `NotSent`. Of a number or of bytes of
which nobody knows whether they are kept something may be sent one day: that is `Ambiguous`, and
whoever asks about the call then closes the gap that a number without bytes would be.
"""

from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import TypeVar

import asyncpg

from agents.roles.outages import is_outage
from connectors.base import Ambiguous, NotSent
from connectors.chain.nonces import Kept
from connectors.chain.signing import Signed
from tables.postgres import chains

T = TypeVar("T")


class StoredNonces:
    """The nonces of one installation."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def reserve(self, chain_id: int, address: str, key: str, at_least: int) -> int:
        """As `Nonces`, under a lock of the wallet's."""

        async def reserved() -> int:
            async with self._pool.acquire() as connection, connection.transaction():
                return await chains.reserve_nonce(connection, chain_id, address, key, at_least)

        try:
            return await _there(reserved)
        except NotSent as error:
            raise Ambiguous(error.reason) from error

    async def store(
        self, chain_id: int, address: str, nonce: int, signed: bytes, tx_hash: str
    ) -> None:
        """As `Nonces`."""
        row = chains.SignedRow(chain_id, address, nonce, tx_hash, signed)
        try:
            await _there(lambda: chains.store_signed(self._pool, row))
        except NotSent as error:
            raise Ambiguous(error.reason) from error

    async def find(self, chain_id: int, address: str, key: str) -> Kept | None:
        """As `Nonces`."""
        rows = await _there(lambda: chains.read_kept(self._pool, chain_id, address, key))
        return _kept(rows) if rows else None

    async def pending(self, chain_id: int, address: str) -> Sequence[Kept]:
        """As `Nonces`."""
        rows = await _there(lambda: chains.read_kept(self._pool, chain_id, address))
        return [_kept(list(of_one)) for _, of_one in groupby(rows, lambda row: row["nonce"])]

    async def end(self, chain_id: int, address: str, nonce: int, block_hash: str) -> None:
        """As `Nonces`."""
        about = chain_id, address, nonce, block_hash
        await _there(lambda: chains.end_nonce(self._pool, *about))


def _kept(rows: Sequence[asyncpg.Record]) -> Kept:
    signed = (Signed(row["raw"], row["tx_hash"]) for row in rows if row["raw"] is not None)
    return Kept(rows[0]["key"], rows[0]["nonce"], tuple(signed))


async def _there(do: Callable[[], Awaitable[T]]) -> T:
    try:
        return await do()
    except Exception as error:
        if not is_outage(error):
            raise
        raise NotSent(f"no nonces: {type(error).__name__}") from error

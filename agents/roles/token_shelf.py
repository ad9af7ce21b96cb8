"""Bearer tokens of providers that all workers share, sealed in Postgres.

At some providers a new token ends the one before it: two workers that fetch their own would go on
refusing each other's. One fetches while the others wait for the row.
"""

import asyncpg

from agents.roles.outages import is_outage
from connectors.base import NotSent
from connectors.envelope import Keyring, Place, Sealed
from connectors.tokens import Asking, good_for_s
from streams.errors import Unreadable
from tables.postgres.secrets import PLATFORM


class TokenShelf:
    """The shelf of one installation (connectors/tokens.py)."""

    def __init__(self, pool: asyncpg.Pool, keyring: Keyring) -> None:
        self._pool, self._keyring = pool, keyring

    async def take(self, name: str, refused: str, ask: Asking) -> tuple[str, float]:
        """The token that is there, unless it is `refused` or over; else another, for all."""
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                lock = "SELECT pg_advisory_xact_lock(hashtextextended('provider token ' || $1, 0))"
                await connection.execute(lock, name)
                found = await self._found(connection, name)
                if found is not None and found[0] != refused:
                    return found
                token, lives_s = await ask()
                good_s = good_for_s(lives_s)
                await self._keep(connection, name, token, good_s)
                return token, good_s
        except Exception as error:
            if not is_outage(error):
                raise
            raise NotSent(f"no token: {type(error).__name__}") from error

    async def _found(self, connection: asyncpg.Connection, name: str) -> tuple[str, float] | None:
        """The token that is kept, and the seconds it has left."""
        row = await connection.fetchrow(
            """SELECT master_id, wrapped_key, box,
                      extract(epoch FROM good_until - clock_timestamp())::float8 AS left_s
               FROM provider_tokens WHERE name = $1 AND good_until > clock_timestamp()""",
            name,
        )
        if row is None:
            return None
        sealed = Sealed(row["master_id"], row["wrapped_key"], row["box"])
        try:
            return self._keyring.open(_place(name), sealed).get_secret_value(), row["left_s"]
        except Unreadable:
            return None  # sealed by a key that is gone: another token does as well

    async def _keep(
        self, connection: asyncpg.Connection, name: str, token: str, good_s: float
    ) -> None:
        sealed = self._keyring.seal(_place(name), token)
        await connection.execute(
            """INSERT INTO provider_tokens (name, master_id, wrapped_key, box, good_until)
               VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5))
               ON CONFLICT (name) DO UPDATE SET master_id = excluded.master_id,
                   wrapped_key = excluded.wrapped_key, box = excluded.box,
                   good_until = excluded.good_until""",
            name,
            *(sealed.master_id, sealed.wrapped_key, sealed.box),
            good_s,
        )


def _place(name: str) -> Place:
    return Place(PLATFORM, f"token {name}", 1)

"""Remembers who calls, so that the audit log has names: user rows from verified claims."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import asyncpg
import structlog

from tables.postgres.pool import tenant_transaction
from tables.postgres.users import saw_user
from web.api_keys import AWAY
from web.claims import Claims

EVERY_S = 3_600.0
WITHIN_S, AGAIN_S = 1.0, 60.0
"""How long an act may wait for its name, and how long after that no other does."""
REMEMBERED_MAX = 100_000

_log = structlog.get_logger("web.people")


class People:
    """Writes a user down when it first acts here, when its claims change, and once an hour."""

    def __init__(
        self, pool: asyncpg.Pool, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool, self._monotonic_s = pool, monotonic_s
        self._noted: dict[Claims, float] = {}

    async def saw(self, claims: Claims) -> None:
        """Note them. While Postgres is away they are not, and an act hardly waits for that."""
        now_s = self._monotonic_s()
        if now_s - self._noted.get(claims, -EVERY_S) < EVERY_S:
            return
        if len(self._noted) >= REMEMBERED_MAX:
            self._noted.clear()
        self._noted[claims] = now_s
        try:
            async with asyncio.timeout(WITHIN_S):
                await self._note(claims)
        except (*AWAY, asyncpg.PostgresError) as error:
            self._noted[claims] = now_s - EVERY_S + AGAIN_S
            _log.warning("user not noted", error=type(error).__name__)

    async def _note(self, claims: Claims) -> None:
        async with tenant_transaction(self._pool, claims.tenant_id) as connection:
            await saw_user(
                connection,
                claims.tenant_id,
                claims.subject,
                name=claims.name,
                email=claims.email,
                roles=sorted(claims.roles),
                at=datetime.now(UTC),
            )

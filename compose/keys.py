"""What an operator does with keys: look, and give every secret a new one."""

from dataclasses import dataclass
from datetime import datetime

from agents.roles.secret_store import Rotated, SecretStore, now_utc, require_keys
from compose.settings import Settings
from tables.postgres.pool import open_pool
from tables.postgres.secrets import count_by_master


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One master key: whether it is configured here, what it seals, since when the oldest of it."""

    master_id: str
    here: bool
    current: bool
    secrets: int
    oldest_data_key: datetime | None


async def rotate_keys(settings: Settings) -> Rotated:
    """New data keys for all secrets. Raises `Misconfigured` with keys of another database."""
    pool = await open_pool(settings.archiver_dsn, max_size=1)
    try:
        async with pool.acquire() as connection:
            await require_keys(connection, settings.keyring)
        now = now_utc()
        return await SecretStore(pool, settings.keyring).rotate(now, now)
    finally:
        await pool.close()


async def status_of_keys(settings: Settings) -> list[MasterKey]:
    """Every master key the database knows."""
    keyring = settings.keyring
    pool = await open_pool(settings.archiver_dsn, max_size=1)
    try:
        async with pool.acquire() as connection:
            return [
                MasterKey(
                    master_id, master_id in keyring.ids, master_id == keyring.current_id, *counted
                )
                for master_id, counted in await count_by_master(connection)
            ]
    finally:
        await pool.close()

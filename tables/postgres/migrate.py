"""Brings the schema to this release: numbered SQL files, applied once, in order, all or nothing.

Runs as the owner. Refuses a database whose history is not a prefix of the files here.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from streams.errors import Misconfigured
from tables.postgres.passwords import scram_verifier

FOLDER = Path(__file__).with_name("migrations")
_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LOCK = 0x7472656173757279  # "treasury"
_LOCK_WAIT_S = 120


@dataclass(frozen=True)
class Migration:
    """One file; its checksum is the SHA-256 of its bytes."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Hex SHA-256 of the file."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    """The files in order; Misconfigured unless they are numbered 1, 2, 3, …"""
    migrations: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None or int(match[1]) != len(migrations) + 1:
            raise Misconfigured(f"migration {path.name}: expected number {len(migrations) + 1:04d}")
        migrations.append(Migration(int(match[1]), path.name, path.read_text(encoding="utf-8")))
    return migrations


async def migrate(
    dsn: str,
    *,
    app_password: str | None = None,
    archiver_password: str | None = None,
    folder: Path = FOLDER,
) -> list[str]:
    """Apply what is missing and return the names of those files.

    `dsn` logs in as the owner. A password lets `treasury_app` or `treasury_archiver` log in with
    it; None leaves that login as it is. Raises `Misconfigured` when history was changed.
    """
    migrations = read_migrations(folder)
    connection = await asyncpg.connect(dsn, timeout=20)
    try:
        # A session lock from before the transaction: its snapshot then sees what others applied.
        await connection.execute(f"SET lock_timeout = '{_LOCK_WAIT_S}s'")
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        async with connection.transaction():
            applied = await _apply(connection, migrations)
            await _let_in(connection, "treasury_app", app_password)
            await _let_in(connection, "treasury_archiver", archiver_password)
        return applied
    finally:
        await connection.close()


async def require_current(connection: asyncpg.Connection) -> None:
    """Raise `Misconfigured` unless the schema is exactly this release's; for a worker's start."""
    try:
        missing = await _missing(connection, read_migrations())
    except asyncpg.UndefinedTableError:
        missing = read_migrations()
    if missing:
        raise Misconfigured(f"the schema lacks {missing[0].name}: run `treasury migrate`")


async def _apply(connection: asyncpg.Connection, migrations: list[Migration]) -> list[str]:
    await connection.execute(
        """CREATE TABLE IF NOT EXISTS schema_migrations (
               number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
               applied_at timestamptz NOT NULL DEFAULT now())"""
    )
    missing = await _missing(connection, migrations)
    for migration in missing:
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.checksum,
        )
    # Roles exist from the first migration on; workers compare the history at their start.
    await connection.execute("GRANT SELECT ON schema_migrations TO treasury_app, treasury_archiver")
    return [migration.name for migration in missing]


async def _missing(connection: asyncpg.Connection, migrations: list[Migration]) -> list[Migration]:
    rows = await connection.fetch(
        "SELECT number, name, checksum FROM schema_migrations ORDER BY number"
    )
    if len(rows) > len(migrations):
        raise Misconfigured(f"the schema is newer than this release: {rows[-1]['name']}")
    for row, migration in zip(rows, migrations, strict=False):
        if (row["number"], row["checksum"]) != (migration.number, migration.checksum):
            raise Misconfigured(
                f"migration {migration.name} is not what was applied as {row['name']}"
            )
    return migrations[len(rows) :]


async def _let_in(connection: asyncpg.Connection, role: str, password: str | None) -> None:
    if password is None:
        return
    verifier = scram_verifier(password)
    statement = await connection.fetchval(
        "SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)", role, verifier
    )
    await connection.execute(statement)

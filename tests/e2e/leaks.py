"""What must stand in no log and no table: keys, passwords, tokens, addresses that are keys."""

import re

import asyncpg

from compose.up import Running

_SHAPES = (
    re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"),  # a JWT, whole
    re.compile(r"trs_(?:live|test)_[0-9a-f]{16}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}"),
    re.compile(r"whsec_[A-Za-z0-9+/]{20,}"),
    re.compile(r"/webhooks/[a-z]+/[^/\s]+/[A-Za-z0-9_.-]*[0-9a-f]{40}"),  # an address is a key
)
_PAY_PAGE = re.compile(r"/pay/[0-9a-f]{40}")
"""Told to whoever sends it to the payer: Kafka's segments (.log too) may hold it."""


async def tables_of(dsn: str, tenant_id: str = "") -> list[tuple[str, str]]:
    """(table, its rows as text) of a whole database; with a tenant, the rows alone that bear it.

    Of columns that can hold words: text, bytes (as they are where they are text) and JSON.
    """
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        columns = await connection.fetch(
            """SELECT table_name, array_agg(column_name::text) AS names
               FROM information_schema.tables
               JOIN information_schema.columns USING (table_schema, table_name)
               WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
                 AND data_type IN ('text', 'bytea', 'json', 'jsonb', 'ARRAY', 'character varying')
               GROUP BY table_name ORDER BY table_name"""
        )
        found = []
        for table, names in columns:
            if tenant_id and "tenant_id" not in names:
                continue
            said = ", ".join(f'"{name}"' for name in names)
            only = " WHERE tenant_id = $1" if tenant_id else ""
            given = [tenant_id] if tenant_id else []
            rows = await connection.fetch(f'SELECT {said} FROM "{table}"{only}', *given)
            found.append((table, "\n".join(_text(value) for row in rows for value in row)))
        return found
    finally:
        await connection.close()


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


async def leaks_of_database(running: Running) -> list[str]:
    """The tables where a row says one; none of a database that its test has taken away."""
    if running.endpoints is None:
        return []
    try:
        tables = await tables_of(running.settings().owner_dsn)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        print(f"tables not searched for secrets: {type(error).__name__}")
        return []
    secrets = secrets_of(running)
    return [
        f"table {table}"
        for table, text in tables
        if any(secret in text for secret in secrets) or any(s.search(text) for s in _SHAPES)
    ]


def secrets_of(running: Running) -> list[str]:
    """The secrets that the installation runs with."""
    settings = running.settings()
    passwords = [settings.password(login) for login in ("treasury_app", "treasury_archiver")]
    keys = [settings.master_key.get_secret_value(), settings.derived_key("secrets").hex()]
    return [*keys, *passwords, *running.sandbox.secrets]


def leaks(running: Running) -> list[str]:
    """The places, as file and line, where a log says one; without saying it again."""
    found, secrets = [], secrets_of(running)
    for path in sorted(running.local.home.rglob("*.log")):
        shapes = _SHAPES if "data" in path.parts else (*_SHAPES, _PAY_PAGE)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            is_said = any(secret in line for secret in secrets)
            if is_said or any(shape.search(line) for shape in shapes):
                found.append(f"{path.relative_to(running.local.home)}:{number}")
    return found

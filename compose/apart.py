"""I11: tenants stay apart. Looks for what is one tenant's alone in everything of another's."""

import re
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from agents.audit.invariants import Findings
from tables.memory import SYSTEM
from tables.postgres.archived import CURSOR_ROWS, snapshot
from tables.row import SEPARATOR

_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHOWN = {
    "entries": "event_id, reason, encode(raw, 'escape')",
    "dead_letters": "event_id, reason, encode(raw, 'escape')",
    "postings": "account, dimensions",
    "emitted": "event_id, encode(body, 'escape')",
    "resources": "id, order_id, customer_id, invoice_id, body",
}
"""What of each read model a tenant could see."""


class Apart:
    """Looks for canaries of tenants: UUIDs that are one tenant's alone."""

    def __init__(self, findings: Findings, canaries: Mapping[str, str]) -> None:
        """`canaries` give the tenant of each UUID."""
        self._findings = findings
        self._tenants = {uuid.encode(): tenant for uuid, tenant in canaries.items()}
        self._known = frozenset(canaries.values())

    def look(self, what: str, data: bytes, owner: str | None = None) -> None:
        """A thing of `owner`'s shows nobody else; one of nobody's shows one tenant at most."""
        shown = {self._tenants[found] for found in _UUID.findall(data) if found in self._tenants}
        if owner in self._known:
            shown.add(owner)
        if len(shown) > 1:
            self._findings.breaks("I11", f"{what} shows {sorted(shown)}: {data[:200]!r}")
        self._findings.checked["I11"] += 1

    async def look_at_tables(self, pool: asyncpg.Pool) -> None:
        """All rows that the archive keeps, and all that the read models made of it."""
        for table, columns in _SHOWN.items():
            query = f"SELECT tenant_id, concat_ws(' ', {columns}) FROM {table}"  # noqa: S608
            async with snapshot(pool) as connection:
                async for tenant_id, text in connection.cursor(query, prefetch=CURSOR_ROWS):
                    self.look(f"a row of {table}", text.encode(), tenant_id or None)
        async with snapshot(pool) as connection:
            rows = "SELECT coalesce(long_key, slot), bytes FROM images"
            async for key, value in connection.cursor(rows, prefetch=CURSOR_ROWS):
                tenant_id = key.decode().split(SEPARATOR)[1]
                owner = None if tenant_id == SYSTEM else tenant_id
                self.look(f"row {key.decode()!r}", key + value, owner)

    def look_at_log(self, path: Path) -> None:
        """Every line of a worker's log."""
        with path.open("rb") as lines:
            for line in lines:
                self.look(f"a line of {path.name}", line)

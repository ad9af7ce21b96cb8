"""Who changed what beside the ledger, in the same transaction as the change; never amended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg
import msgspec


async def note(
    connection: asyncpg.Connection,
    tenant_id: str,
    *,
    actor: str,
    action: str,
    resource: str,
    request_id: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one line; `detail` holds no secret and no value that was one."""
    await connection.execute(
        """INSERT INTO audit_log (tenant_id, actor, action, resource, request_id, detail)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        tenant_id,
        actor,
        action,
        resource,
        request_id,
        msgspec.json.encode(detail or {}).decode(),
    )


async def lines(
    connection: asyncpg.Connection,
    tenant_id: str,
    *,
    actor: str = "",
    action: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int,
) -> list[asyncpg.Record]:
    """The newest first, behind `after` (at, id): lines of the log, and commands from the journal.

    A command's action is its type without `treasury.command.`, its resource the event's id.
    """
    at, line = after or (None, "")
    found: list[asyncpg.Record] = await connection.fetch(
        _LINES, tenant_id, actor, action, since, until, at, line, limit
    )
    return found


_NARROWED = """
    tenant_id = $1 AND ($2 = '' OR actor = $2) AND ($3 = '' OR {action} = $3)
    AND ($4::timestamptz IS NULL OR {at} >= $4) AND ($5::timestamptz IS NULL OR {at} < $5)
    AND ($6::timestamptz IS NULL OR ({at}, {id}) < ($6, $7))
    ORDER BY {at} DESC, {id} DESC LIMIT $8
"""
_CHANGE_ID = "'c' || lpad(id::text, 19, '0')"
_COMMAND_ID = "'e' || partition || '.' || seq || '.' || ordinal"
_COMMAND = "substr(event_type, 18)"  # behind treasury.command.
_LINES = f"""
    SELECT * FROM (
        (SELECT {_CHANGE_ID} AS id, at, actor, action, resource, 'done' AS outcome, request_id,
                detail::text AS detail
         FROM audit_log WHERE {_NARROWED.format(action="action", at="at", id=_CHANGE_ID)})
        UNION ALL
        (SELECT {_COMMAND_ID}, decided_at, actor, {_COMMAND}, event_id,
                CASE WHEN reason = '' THEN status ELSE status || ': ' || reason END, '', '{{}}'
         FROM entries WHERE actor IS NOT NULL
           AND {_NARROWED.format(action=_COMMAND, at="decided_at", id=_COMMAND_ID)})
    ) AS both_kinds
    ORDER BY at DESC, id DESC LIMIT $8
"""  # noqa: S608

"""Tenants' endpoints for our events, and each event's way to them.

Endpoint: enabled → disabled (by its owner, or because it answered 410) → enabled; deleted for good.
Delivery: pending → delivered, or failed once all attempts are used up; a replay makes it pending
again, under the same event id.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import msgspec

from tables.postgres.lists import Where

_ENDPOINT = (
    "endpoint_id, url, event_types, description, status, disabled_reason, previous_until,"
    " created_at, created_by, updated_at"
)
_DELIVERY = (
    "event_id, event_type, state, attempts, history::text AS history, created_at, next_at,"
    " delivered_at"
)
Rows = Sequence[asyncpg.Record]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as it is registered or changed."""

    tenant_id: str
    endpoint_id: str
    url: str
    event_types: Sequence[str]
    description: str


class NewDelivery(NamedTuple):
    """An event for an endpoint."""

    tenant_id: str
    endpoint_id: str
    event_id: str
    event_type: str
    partition: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery whose time has come, and where it goes."""

    tenant_id: str
    endpoint_id: str
    event_id: str
    url: str
    attempts: int
    previous_until: datetime | None
    body: bytes = field(repr=False)

    @property
    def key(self) -> tuple[str, str, str]:
        """The delivery, of all tenants' deliveries."""
        return self.tenant_id, self.endpoint_id, self.event_id

    @property
    def lane(self) -> tuple[str, str]:
        """Where it queues: its endpoint, of all tenants' endpoints."""
        return self.tenant_id, self.endpoint_id


# -- endpoints -----------------------------------------------------------------------------------


async def insert_endpoint(
    connection: asyncpg.Connection, endpoint: Endpoint, *, by: str, now: datetime
) -> asyncpg.Record:
    """Register an endpoint, enabled; the row as it is shown."""
    return await connection.fetchrow(
        f"""INSERT INTO webhook_endpoints (tenant_id, endpoint_id, url, event_types, description,
                                           status, created_at, created_by, updated_at)
            VALUES ($1, $2, $3, $4, $5, 'enabled', $6, $7, $6) RETURNING {_ENDPOINT}""",  # noqa: S608
        endpoint.tenant_id,
        endpoint.endpoint_id,
        endpoint.url,
        list(endpoint.event_types),
        endpoint.description,
        now,
        by,
    )


async def update_endpoint(
    connection: asyncpg.Connection, endpoint: Endpoint, now: datetime
) -> asyncpg.Record | None:
    """Change where an endpoint is and what it hears; None if there is none."""
    return await connection.fetchrow(
        f"""UPDATE webhook_endpoints
            SET url = $3, event_types = $4, description = $5, updated_at = $6
            WHERE tenant_id = $1 AND endpoint_id = $2 AND status <> 'deleted'
            RETURNING {_ENDPOINT}""",  # noqa: S608
        endpoint.tenant_id,
        endpoint.endpoint_id,
        endpoint.url,
        list(endpoint.event_types),
        endpoint.description,
        now,
    )


async def set_status(
    connection: asyncpg.Connection,
    tenant_id: str,
    endpoint_id: str,
    status: str,
    *,
    reason: str = "",
    now: datetime,
) -> asyncpg.Record | None:
    """Enable, disable or delete an endpoint; None if there is none."""
    return await connection.fetchrow(
        f"""UPDATE webhook_endpoints SET status = $3, disabled_reason = $4, updated_at = $5
            WHERE tenant_id = $1 AND endpoint_id = $2 AND status <> 'deleted'
            RETURNING {_ENDPOINT}""",  # noqa: S608
        tenant_id,
        endpoint_id,
        status,
        reason,
        now,
    )


async def set_overlap(
    connection: asyncpg.Connection, tenant_id: str, endpoint_id: str, until: datetime, now: datetime
) -> asyncpg.Record:
    """Note until when the secret before signs beside the new one."""
    return await connection.fetchrow(
        f"""UPDATE webhook_endpoints SET previous_until = $3, updated_at = $4
            WHERE tenant_id = $1 AND endpoint_id = $2 RETURNING {_ENDPOINT}""",  # noqa: S608
        tenant_id,
        endpoint_id,
        until,
        now,
    )


async def get_endpoint(
    connection: asyncpg.Connection, tenant_id: str, endpoint_id: str
) -> asyncpg.Record | None:
    """An endpoint that was not deleted."""
    return await connection.fetchrow(
        f"""SELECT {_ENDPOINT} FROM webhook_endpoints
            WHERE tenant_id = $1 AND endpoint_id = $2 AND status <> 'deleted'""",  # noqa: S608
        tenant_id,
        endpoint_id,
    )


async def list_endpoints(
    connection: asyncpg.Connection,
    tenant_id: str,
    *,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Rows:
    """Endpoints that were not deleted, newest first, behind `after` (created_at, endpoint_id)."""
    where = Where()
    where.add("tenant_id = ? AND status <> 'deleted'", tenant_id)
    if after is not None:
        where.add("(created_at, endpoint_id) < (?, ?)", *after)
    where.values.append(limit)
    found: Rows = await connection.fetch(
        f"""SELECT {_ENDPOINT} FROM webhook_endpoints WHERE {where.sql}
            ORDER BY created_at DESC, endpoint_id DESC LIMIT ${len(where.values)}""",  # noqa: S608
        *where.values,
    )
    return found


async def listening(connection: asyncpg.Connection, tenant_ids: Iterable[str]) -> Rows:
    """(tenant_id, endpoint_id, event_types) of the enabled endpoints of these tenants."""
    found: Rows = await connection.fetch(
        """SELECT tenant_id, endpoint_id, event_types FROM webhook_endpoints
           WHERE tenant_id = ANY ($1) AND status = 'enabled'""",
        list(tenant_ids),
    )
    return found


# -- deliveries ----------------------------------------------------------------------------------


async def insert_deliveries(
    connection: asyncpg.Connection, deliveries: Sequence[NewDelivery], now: datetime
) -> None:
    """Put events on their way; those that are on it already stay as they are."""
    if not deliveries:
        return
    await connection.execute(
        """INSERT INTO webhook_deliveries (tenant_id, endpoint_id, event_id, event_type, partition,
                                           body, state, created_at, next_at)
           SELECT *, 'pending', $7::timestamptz, $7::timestamptz
           FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bytea[])
           ON CONFLICT DO NOTHING""",
        *(list(column) for column in zip(*deliveries, strict=True)),
        now,
    )


async def due_deliveries(
    connection: asyncpg.Connection,
    partition: int,
    *,
    busy: Iterable[tuple[str, str]],
    now: datetime,
    limit: int,
) -> list[Due]:
    """Some that are due, of enabled endpoints that are not busy; the longest waiting first."""
    tenants, endpoints = _columns(busy)
    rows = await connection.fetch(
        """SELECT d.tenant_id, d.endpoint_id, d.event_id, e.url, d.attempts, e.previous_until,
                  d.body
           FROM webhook_deliveries d JOIN webhook_endpoints e USING (tenant_id, endpoint_id)
           WHERE d.partition = $1 AND d.state = 'pending' AND d.next_at <= $2
             AND e.status = 'enabled'
             AND (d.tenant_id, d.endpoint_id) NOT IN
                 (SELECT * FROM unnest($3::text[], $4::text[]))
           ORDER BY d.next_at LIMIT $5""",
        partition,
        now,
        tenants,
        endpoints,
        limit,
    )
    return [Due(**row) for row in rows]


async def note_attempt(
    connection: asyncpg.Connection,
    due: Due,
    attempt: dict[str, Any],
    *,
    state: str,
    next_at: datetime,
    now: datetime,
) -> None:
    """Write down what came of an attempt."""
    await connection.execute(
        """UPDATE webhook_deliveries
           SET state = $4, attempts = attempts + 1, history = history || $5::jsonb, next_at = $6,
               delivered_at = CASE WHEN $4 = 'delivered' THEN $7::timestamptz END
           WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3""",
        due.tenant_id,
        due.endpoint_id,
        due.event_id,
        state,
        msgspec.json.encode([attempt]).decode(),
        next_at,
        now,
    )


@dataclass(frozen=True)
class DeliveryFilter:
    """What a list of deliveries is narrowed to; empty members do not narrow."""

    state: str = ""
    event_type: str = ""
    since: datetime | None = None
    until: datetime | None = None


async def deliveries_of(
    connection: asyncpg.Connection, tenant_id: str, event_ids: Sequence[str], limit: int
) -> Rows:
    """(endpoint_id, event_id, state, attempts, delivered_at) of these events, to all endpoints."""
    found: Rows = await connection.fetch(
        """SELECT endpoint_id, event_id, state, attempts, delivered_at
           FROM webhook_endpoints JOIN webhook_deliveries USING (tenant_id, endpoint_id)
           WHERE tenant_id = $1 AND event_id = ANY ($2)
           ORDER BY event_id, endpoint_id LIMIT $3""",
        tenant_id,
        event_ids,
        limit,
    )
    return found


async def list_deliveries(
    connection: asyncpg.Connection,
    tenant_id: str,
    endpoint_id: str,
    wanted: DeliveryFilter,
    *,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Rows:
    """Newest first, behind `after` (created_at, event_id)."""
    where = Where()
    where.add("tenant_id = ? AND endpoint_id = ?", tenant_id, endpoint_id)
    for column in ("state", "event_type"):
        if value := getattr(wanted, column):
            where.add(f"{column} = ?", value)
    if wanted.since is not None:
        where.add("created_at >= ?", wanted.since)
    if wanted.until is not None:
        where.add("created_at < ?", wanted.until)
    if after is not None:
        where.add("(created_at, event_id) < (?, ?)", *after)
    where.values.append(limit)
    found: Rows = await connection.fetch(
        f"""SELECT {_DELIVERY} FROM webhook_deliveries WHERE {where.sql}
            ORDER BY created_at DESC, event_id DESC LIMIT ${len(where.values)}""",  # noqa: S608
        *where.values,
    )
    return found


_REPLAY = """
    INSERT INTO webhook_deliveries AS d (tenant_id, endpoint_id, event_id, event_type, partition,
                                         body, state, created_at, next_at)
    SELECT m.tenant_id, $2, m.event_id, m.event_type, m.partition, m.body, 'pending', $3, $3
    FROM emitted m {narrowed}
    ON CONFLICT (tenant_id, endpoint_id, event_id)
    DO UPDATE SET state = 'pending', attempts = 0, created_at = $3, next_at = $3,
                  delivered_at = NULL
    RETURNING d.event_id
"""


async def replay_one(
    connection: asyncpg.Connection, tenant_id: str, endpoint_id: str, event_id: str, now: datetime
) -> bool:
    """Put one event on its way again; False if the tenant has no such event."""
    rows = await connection.fetch(
        _REPLAY.format(narrowed="WHERE m.tenant_id = $1 AND m.event_id = $4"),
        tenant_id,
        endpoint_id,
        now,
        event_id,
    )
    return bool(rows)


async def replay_range(
    connection: asyncpg.Connection,
    tenant_id: str,
    endpoint_id: str,
    *,
    event_types: Sequence[str],
    since: datetime,
    until: datetime,
    limit: int,
    now: datetime,
) -> int:
    """Put the events said from `since` until before `until` on their way again; how many.

    At most `limit`, the oldest ones.
    """
    rows = await connection.fetch(
        _REPLAY.format(
            narrowed="""JOIN entries n USING (tenant_id, partition, seq, ordinal)
            WHERE m.tenant_id = $1 AND n.decided_at >= $4 AND n.decided_at < $5
              AND (cardinality($6::text[]) = 0 OR m.event_type = ANY ($6))
            ORDER BY n.decided_at, m.event_id LIMIT $7"""
        ),
        tenant_id,
        endpoint_id,
        now,
        since,
        until,
        list(event_types),
        limit,
    )
    return len(rows)


async def forget_deliveries(
    connection: asyncpg.Connection, partition: int, before: datetime
) -> None:
    """Delete what was begun before this moment, also what waits for an endpoint to be enabled."""
    await connection.execute(
        "DELETE FROM webhook_deliveries WHERE partition = $1 AND created_at < $2",
        partition,
        before,
    )


def _columns(pairs: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    listed = list(pairs)
    return [each[0] for each in listed], [each[1] for each in listed]

"""Writes the read models: one statement per table and call, whatever the number of rows.

Nothing here catches: what Postgres cannot take is the caller's to put aside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import asyncpg


class EntryRow(NamedTuple):
    """A row of `entries`; `decided_ms` is milliseconds of the Unix epoch.

    `actor` is who asked for a command, None for everything else.
    """

    tenant_id: str
    event_id: str
    partition: int
    seq: int
    ordinal: int
    log: int
    log_offset: int
    log_index: int
    step: int
    status: str
    reason: str
    ingress: str
    event_type: str
    decided_ms: int
    raw: bytes
    actor: str | None = None


class PostingRow(NamedTuple):
    """A row of `postings`; `minor` are the digits of minor units, `dimensions` a JSON object.

    Days are tenant-local (ISO): in whose period it counts, and when it is effective.
    """

    tenant_id: str
    partition: int
    seq: int
    ordinal: int
    leg: int
    account: str
    asset: str
    minor: str
    dimensions: str
    decided_ms: int
    booked_on: str | None
    effective_on: str | None


class EmittedRow(NamedTuple):
    """A row of `emitted`."""

    tenant_id: str
    event_id: str
    event_type: str
    source_event_id: str
    partition: int
    seq: int
    ordinal: int
    body: bytes


class DeadLetterRow(NamedTuple):
    """A row of `dead_letters`; without a tenant only the platform's people see it."""

    id: str
    partition: int
    seq: int
    ordinal: int
    tenant_id: str | None
    event_id: str
    event_type: str
    reason: str
    ingress: str
    raw: bytes
    received_ms: int


class ResourceRow(NamedTuple):
    """A row of `resources`; `body` is a JSON object, `created_ms` counts at the first time only."""

    tenant_id: str
    kind: str
    id: str
    partition: int
    seq: int
    status: str
    asset: str
    order_id: str
    customer_id: str
    invoice_id: str
    created_ms: int
    updated_ms: int
    body: str


class RedriveRow(NamedTuple):
    """What became of a re-drive of the event's earlier dead letters."""

    tenant_id: str
    event_id: str
    seq: int
    ordinal: int
    status: str


class QuarantinedRow(NamedTuple):
    """An entry or an image that Postgres cannot take; `part` says which, ordinal where in it."""

    partition: int
    seq: int
    part: str  # entry | image
    ordinal: int
    error: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class EntryRows:
    """Everything one entry becomes; it goes in whole or not at all."""

    entry: EntryRow
    postings: list[PostingRow]
    emitted: list[EmittedRow]
    dead_letter: DeadLetterRow | None
    redrive: RedriveRow | None


async def insert_entries(connection: asyncpg.Connection, entries: Sequence[EntryRows]) -> None:
    """Add the rows of these entries, each of which is new."""
    await _run(connection, _ENTRIES, [rows.entry for rows in entries])
    await _run(connection, _POSTINGS, [leg for rows in entries for leg in rows.postings])
    await _run(connection, _EMITTED, [event for rows in entries for event in rows.emitted])
    letters = [rows.dead_letter for rows in entries if rows.dead_letter is not None]
    await _run(connection, _DEAD_LETTERS, letters)
    redrives = [rows.redrive for rows in entries if rows.redrive is not None]
    await _run(connection, _REDRIVES, redrives)


async def upsert_resources(
    connection: asyncpg.Connection, resources: Sequence[ResourceRow]
) -> None:
    """Set resources to these values; each (tenant, kind, id) at most once, a greater seq wins."""
    await _run(connection, _RESOURCES, resources)


async def quarantine(connection: asyncpg.Connection, rows: Sequence[QuarantinedRow]) -> None:
    """Put these aside."""
    await _run(connection, _QUARANTINED, rows)


async def _run(
    connection: asyncpg.Connection, statement: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    if rows:
        await connection.execute(statement, *map(list, zip(*rows, strict=True)))


_TIME = "timestamptz 'epoch' + {} * interval '1 millisecond'"

_ENTRIES = f"""
    INSERT INTO entries (tenant_id, event_id, partition, seq, ordinal, log, log_offset, log_index,
                         step, status, reason, ingress, event_type, decided_at, raw, actor)
    SELECT tenant_id, event_id, partition, seq, ordinal, log, log_offset, log_index,
           step, status, reason, ingress, event_type, {_TIME.format("ms")}, raw, actor
    FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::int[], $6::bigint[],
                $7::bigint[], $8::int[], $9::int[], $10::text[], $11::text[], $12::text[],
                $13::text[], $14::bigint[], $15::bytea[], $16::text[])
        AS new (tenant_id, event_id, partition, seq, ordinal, log, log_offset, log_index,
                step, status, reason, ingress, event_type, ms, raw, actor)
"""  # noqa: S608
_POSTINGS = f"""
    INSERT INTO postings (tenant_id, partition, seq, ordinal, leg, account, asset, minor,
                          dimensions, decided_at, booked_on, effective_on)
    SELECT tenant_id, partition, seq, ordinal, leg, account, asset, minor::numeric(80, 0),
           dimensions, {_TIME.format("ms")}, booked_on::date, effective_on::date
    FROM unnest($1::text[], $2::int[], $3::bigint[], $4::int[], $5::int[], $6::text[],
                $7::text[], $8::text[], $9::jsonb[], $10::bigint[], $11::text[], $12::text[])
        AS new (tenant_id, partition, seq, ordinal, leg, account, asset, minor, dimensions, ms,
                booked_on, effective_on)
"""  # noqa: S608
_EMITTED = """
    INSERT INTO emitted (tenant_id, event_id, event_type, source_event_id, partition, seq,
                         ordinal, body)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bigint[],
                         $7::int[], $8::bytea[])
"""
_DEAD_LETTERS = f"""
    INSERT INTO dead_letters (id, partition, seq, ordinal, tenant_id, event_id, event_type,
                              reason, ingress, raw, received_at)
    SELECT id, partition, seq, ordinal, tenant_id, event_id, event_type, reason, ingress, raw,
           {_TIME.format("ms")}
    FROM unnest($1::text[], $2::int[], $3::bigint[], $4::int[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::text[], $10::bytea[], $11::bigint[])
        AS new (id, partition, seq, ordinal, tenant_id, event_id, event_type, reason, ingress,
                raw, ms)
"""  # noqa: S608
_QUARANTINED = """
    INSERT INTO quarantined (partition, seq, part, ordinal, error, raw)
    SELECT * FROM unnest($1::int[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::bytea[])
"""
_RESOURCES = f"""
    INSERT INTO resources AS old (tenant_id, kind, id, partition, seq, status, asset, order_id,
                                  customer_id, invoice_id, created_at, updated_at, body)
    SELECT tenant_id, kind, id, partition, seq, status, asset, order_id, customer_id, invoice_id,
           {_TIME.format("created_ms")}, {_TIME.format("updated_ms")}, body
    FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::bigint[], $6::text[],
                $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::bigint[],
                $13::jsonb[])
        AS new (tenant_id, kind, id, partition, seq, status, asset, order_id, customer_id,
                invoice_id, created_ms, updated_ms, body)
    ON CONFLICT (tenant_id, kind, id) DO UPDATE SET
        partition = excluded.partition, seq = excluded.seq, status = excluded.status,
        asset = excluded.asset, order_id = excluded.order_id, customer_id = excluded.customer_id,
        invoice_id = excluded.invoice_id, updated_at = excluded.updated_at, body = excluded.body
    WHERE old.seq < excluded.seq
"""  # noqa: S608
_REDRIVES = """
    UPDATE dead_letters AS old
    SET redrive_attempt = redrive_attempt + new.attempts, redrive_status = new.status
    FROM (SELECT tenant_id, event_id, count(*)::int AS attempts,
                 (array_agg(seq ORDER BY seq DESC, ordinal DESC))[1] AS seq,
                 (array_agg(ordinal ORDER BY seq DESC, ordinal DESC))[1] AS ordinal,
                 (array_agg(status ORDER BY seq DESC, ordinal DESC))[1] AS status
          FROM unnest($1::text[], $2::text[], $3::bigint[], $4::int[], $5::text[])
              AS redriven (tenant_id, event_id, seq, ordinal, status)
          GROUP BY tenant_id, event_id) AS new
    WHERE old.tenant_id = new.tenant_id AND old.event_id = new.event_id
      AND (old.seq, old.ordinal) < (new.seq, new.ordinal)
"""

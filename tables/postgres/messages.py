"""Messages to payers: one event, said to one customer by one channel; and what became of each.

pending → accepted (the notifications service will send it) → sent | failed, as it reports. Or
parked, with a reason: it was not sent, or (`unknown`) nobody can say. Or withdrawn: there is
nothing left to say. Parked and failed ones are pending again if somebody asks for that.
Guarantees: a row holds nobody's address; what a report has ended stays ended, whatever an attempt
that was still under way comes to.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import msgspec

from tables.postgres.lists import Where

_SHOWN = (
    "event_id, channel, event_type, template, reference_type, reference_id, customer_id, state,"
    " reason, attempts, history::text AS history, request_id, reported_at, created_at, next_at"
)
Rows = Sequence[asyncpg.Record]


class NewMessage(NamedTuple):
    """A message to be sent."""

    tenant_id: str
    event_id: str
    channel: str
    event_type: str
    template: str
    reference_type: str
    reference_id: str
    customer_id: str
    partition: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Due:
    """A message whose time has come. `round` counts how often it was begun anew after it failed."""

    tenant_id: str
    event_id: str
    channel: str
    template: str
    reference_type: str
    reference_id: str
    customer_id: str
    attempts: int
    round: int
    created_at: datetime
    doubtful_since: datetime | None
    body: bytes = field(repr=False)

    @property
    def key(self) -> tuple[str, str, str]:
        """The message, of all tenants' messages."""
        return self.tenant_id, self.event_id, self.channel

    @property
    def lane(self) -> tuple[str, str]:
        """Where it queues: its tenant's channel."""
        return self.tenant_id, self.channel


@dataclass(frozen=True, slots=True)
class Noted:
    """What an attempt came to: the message's next state, when it is due again, why."""

    state: str
    next_at: datetime
    reason: str = ""
    request_id: str = ""
    doubtful_since: datetime | None = None


class Said(NamedTuple):
    """What an event is about, as the read models have it; `source` is its invoice's."""

    customer_id: str
    source: str


async def customers_of(
    connection: asyncpg.Connection, subjects: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str, str], Said]:
    """Whose an invoice or payment is, by (tenant, invoice | payment, id).

    A payment's customer is its own, else its invoice's, else its order's invoice's. Only true once
    the read models have come as far.
    """
    found: dict[tuple[str, str, str], Said] = {}
    wanted = list(subjects)
    for kind, sql in (("invoice", _OF_INVOICES), ("payment", _OF_PAYMENTS)):
        pairs = [(tenant_id, row_id) for tenant_id, each, row_id in wanted if each == kind]
        if pairs:
            columns = [list(column) for column in zip(*pairs, strict=True)]
            for row in await connection.fetch(sql, *columns):
                said = Said(row["customer_id"], row["source"])
                found[row["tenant_id"], kind, row["id"]] = said
    return found


_OF_INVOICES = """
    SELECT i.tenant_id, i.id, i.customer_id, i.body ->> 'source' AS source
    FROM resources AS i JOIN unnest($1::text[], $2::text[]) AS wanted (tenant_id, id)
      USING (tenant_id, id)
    WHERE i.kind = 'iv'
"""
_OF_PAYMENTS = """
    SELECT p.tenant_id, p.id, coalesce(NULLIF(p.customer_id, ''), i.customer_id, '') AS customer_id,
           '' AS source
    FROM resources AS p JOIN unnest($1::text[], $2::text[]) AS wanted (tenant_id, id)
      USING (tenant_id, id)
    LEFT JOIN resources AS o ON o.tenant_id = p.tenant_id AND o.kind = 'or' AND o.id = p.order_id
    LEFT JOIN resources AS i ON i.tenant_id = p.tenant_id AND i.kind = 'iv'
      AND i.id = coalesce(NULLIF(p.invoice_id, ''), o.invoice_id)
    WHERE p.kind = 'pi'
"""


async def insert_messages(
    connection: asyncpg.Connection, messages: Sequence[NewMessage], now: datetime
) -> None:
    """Put messages on their way; those that are on it already stay as they are."""
    if not messages:
        return
    await connection.execute(
        """INSERT INTO messages (tenant_id, event_id, channel, event_type, template,
                                 reference_type, reference_id, customer_id, partition, body,
                                 state, created_at, next_at)
           SELECT *, 'pending', $11::timestamptz, $11::timestamptz
           FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                       $7::text[], $8::text[], $9::int[], $10::bytea[])
           ON CONFLICT DO NOTHING""",
        *(list(column) for column in zip(*messages, strict=True)),
        now,
    )


async def due_messages(
    connection: asyncpg.Connection,
    partition: int,
    *,
    busy: Iterable[tuple[str, str]],
    now: datetime,
    limit: int,
) -> list[Due]:
    """Some that are due, of lanes that are not busy; the longest waiting first."""
    lanes = list(busy)
    rows = await connection.fetch(
        """SELECT tenant_id, event_id, channel, template, reference_type, reference_id, customer_id,
                  attempts, round, created_at, doubtful_since, body
           FROM messages
           WHERE partition = $1 AND state = 'pending' AND next_at <= $2
             AND (tenant_id, channel) NOT IN (SELECT * FROM unnest($3::text[], $4::text[]))
           ORDER BY next_at LIMIT $5""",
        partition,
        now,
        [lane[0] for lane in lanes],
        [lane[1] for lane in lanes],
        limit,
    )
    return [Due(**row) for row in rows]


async def begin(connection: asyncpg.Connection, due: Due, now: datetime) -> datetime | None:
    """Note, before anything is sent, that it may be: since when; None if it is not to be sent.

    A process that dies in between leaves a message that may have been sent.
    """
    found: datetime | None = await connection.fetchval(
        """UPDATE messages SET doubtful_since = coalesce(doubtful_since, $4)
           WHERE tenant_id = $1 AND event_id = $2 AND channel = $3 AND state = 'pending'
             AND round = $5
           RETURNING doubtful_since""",
        *due.key,
        now,
        due.round,
    )
    return found


async def note_attempt(
    connection: asyncpg.Connection, due: Due, noted: Noted, attempt: Mapping[str, Any]
) -> None:
    """Write down what came of an attempt; what a report has said meanwhile stays."""
    await connection.execute(
        """UPDATE messages
           SET attempts = attempts + 1, history = history || $4::jsonb,
               request_id = CASE WHEN $5 <> '' THEN $5 ELSE request_id END,
               state = CASE WHEN state = 'pending' THEN $6 ELSE state END,
               reason = CASE WHEN state = 'pending' THEN $7 ELSE reason END,
               next_at = $8, doubtful_since = $9
           WHERE tenant_id = $1 AND event_id = $2 AND channel = $3 AND round = $10""",
        *due.key,
        msgspec.json.encode([attempt]).decode(),
        noted.request_id,
        noted.state,
        noted.reason,
        noted.next_at,
        noted.doubtful_since,
        due.round,
    )


async def end_unsent(
    connection: asyncpg.Connection, due: Due, state: str, reason: str, now: datetime
) -> None:
    """Park or withdraw a message without an attempt."""
    await connection.execute(
        """UPDATE messages SET state = $4, reason = $5, next_at = $6
           WHERE tenant_id = $1 AND event_id = $2 AND channel = $3 AND state = 'pending'
             AND round = $7""",
        *due.key,
        state,
        reason,
        now,
        due.round,
    )


class Report(NamedTuple):
    """What the service says of a message, and by what it knows it."""

    tenant_id: str
    reference_type: str
    reference_id: str
    channel: str
    template: str
    request_id: str
    status: str
    error: str


async def note_report(connection: asyncpg.Connection, report: Report, now: datetime) -> bool:
    """Write down how a message ended, the first time that is told; whether there is such a message.

    It is found by the service's own name of it. One that has none yet, because its attempt has not
    been answered, is found by what it is about; but only if something may have been sent.
    """
    found = await connection.fetchrow(
        """SELECT event_id, reported_at FROM messages
           WHERE tenant_id = $1 AND reference_type = $2 AND reference_id = $3
             AND channel = $4 AND template = $5
             AND (request_id = $6 AND $6 <> '' OR request_id = '' AND doubtful_since IS NOT NULL
                  AND NOT history @> jsonb_build_array(jsonb_build_object('request_id', $6::text)))
           ORDER BY request_id DESC, created_at LIMIT 1 FOR UPDATE""",
        *report[:6],
    )
    if found is None:
        return False
    if found["reported_at"] is None:
        await connection.execute(
            """UPDATE messages SET state = $4, reason = $5, reported_at = $6,
                   request_id = CASE WHEN request_id = '' THEN $7 ELSE request_id END
               WHERE tenant_id = $1 AND event_id = $2 AND channel = $3""",
            report.tenant_id,
            found["event_id"],
            report.channel,
            report.status,
            report.error,
            now,
            report.request_id,
        )
    return True


async def forget_messages(connection: asyncpg.Connection, partition: int, before: datetime) -> None:
    """Delete what was begun before this moment."""
    await connection.execute(
        "DELETE FROM messages WHERE partition = $1 AND created_at < $2", partition, before
    )


# -- as their tenant sees them --------------------------------------------------------------------


@dataclass(frozen=True)
class MessageFilter:
    """What a list of messages is narrowed to; empty members do not narrow."""

    state: str = ""
    channel: str = ""
    template: str = ""
    customer_id: str = ""
    reference_id: str = ""


async def list_messages(
    connection: asyncpg.Connection,
    tenant_id: str,
    wanted: MessageFilter,
    *,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Rows:
    """Newest first, behind `after` (created_at, id)."""
    where = Where()
    where.add("tenant_id = ?", tenant_id)
    for column in ("state", "channel", "template", "customer_id", "reference_id"):
        if value := getattr(wanted, column):
            where.add(f"{column} = ?", value)
    if after is not None:
        event_id, _, channel = after[1].rpartition(".")
        where.add("(created_at, event_id, channel) < (?, ?, ?)", after[0], event_id, channel)
    where.values.append(limit)
    found: Rows = await connection.fetch(
        f"""SELECT {_SHOWN}, event_id || '.' || channel AS id FROM messages WHERE {where.sql}
            ORDER BY created_at DESC, event_id DESC, channel DESC
            LIMIT ${len(where.values)}""",  # noqa: S608
        *where.values,
    )
    return found


async def get_message(
    connection: asyncpg.Connection, tenant_id: str, event_id: str, channel: str
) -> asyncpg.Record | None:
    """One message."""
    return await connection.fetchrow(
        f"""SELECT {_SHOWN} FROM messages
            WHERE tenant_id = $1 AND event_id = $2 AND channel = $3""",  # noqa: S608
        tenant_id,
        event_id,
        channel,
    )


async def send_again(
    connection: asyncpg.Connection, tenant_id: str, event_id: str, channel: str, now: datetime
) -> asyncpg.Record | None:
    """Make a parked or failed message pending; None if it is neither.

    What the service has reported as failed begins anew, because under its old key it would only be
    called a repeat.
    """
    return await connection.fetchrow(
        f"""UPDATE messages
            SET round = round + CASE WHEN state = 'failed' THEN 1 ELSE 0 END,
                request_id = CASE WHEN state = 'failed' THEN '' ELSE request_id END,
                reported_at = NULL, state = 'pending', reason = '', attempts = 0,
                doubtful_since = NULL, created_at = $4, next_at = $4
            WHERE tenant_id = $1 AND event_id = $2 AND channel = $3
              AND state IN ('parked', 'failed')
            RETURNING {_SHOWN}""",  # noqa: S608
        tenant_id,
        event_id,
        channel,
        now,
    )

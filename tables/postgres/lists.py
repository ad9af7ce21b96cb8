"""Lists and history of one tenant, from the read models: always inside `tenant_transaction`.

Every list is newest first and continues behind a sort key (keyset), so that its pages neither
skip nor repeat rows. Fragments of SQL are constants; values are always parameters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Rows = Sequence[asyncpg.Record]

EntryKey = tuple[int, int, int]
"""(partition, seq, ordinal): where an entry stands in the journal."""


@dataclass
class Where:
    """Conditions that all must hold, and their parameters."""

    parts: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: object) -> None:
        """Add a condition; each `?` in it stands for one of the values."""
        for value in values:
            self.values.append(value)
            condition = condition.replace("?", f"${len(self.values)}", 1)
        self.parts.append(condition)

    @property
    def sql(self) -> str:
        """All conditions, joined."""
        return " AND ".join(self.parts)


def moment(microseconds: int) -> datetime:
    """The moment so many microseconds after 1970, exactly."""
    return _EPOCH + timedelta(microseconds=microseconds)


def microseconds_of(at: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class ResourceFilter:
    """What a list of resources is narrowed to; empty members do not narrow."""

    status: str = ""
    order_id: str = ""
    customer_id: str = ""
    created_from: datetime | None = None
    created_to: datetime | None = None
    due_from: str = ""
    due_to: str = ""
    subject_id: str = ""
    account: str = ""
    statement_id: str = ""
    metadata: tuple[str, str] | None = None


_NARROWED: Mapping[str, str] = {
    "status": "status = ?",
    "order_id": "order_id = ?",
    "customer_id": "customer_id = ?",
    "created_from": "created_at >= ?",
    "created_to": "created_at < ?",
    "due_from": "body ->> 'due_date' >= ?",
    "due_to": "body ->> 'due_date' <= ? AND body ->> 'due_date' <> ''",
    # Only calls have one; the literal is what their index knows.
    "subject_id": "kind = 'ca' AND body ->> 'subject_id' = ?",
    "account": "body ->> 'account' = ?",
    "statement_id": "body ->> 'statement_id' = ?",
}


async def resources(
    connection: asyncpg.Connection,
    tenant_id: str,
    kind: str,
    wanted: ResourceFilter,
    *,
    after: tuple[int, str] | None,
    limit: int,
) -> Rows:
    """(id, created_at, body) of business rows, behind `after` = (created_at in µs, id)."""
    where = Where()
    where.add("tenant_id = ? AND kind = ?", tenant_id, kind)
    for member, condition in _NARROWED.items():
        if value := getattr(wanted, member):
            where.add(condition, value)
    if wanted.metadata is not None:
        where.add("body -> 'metadata' ->> ? = ?", *wanted.metadata)
    if after is not None:
        where.add("(created_at, id) < (?, ?)", moment(after[0]), after[1])
    where.values.append(limit)
    sql = f"""SELECT id, created_at, body::text AS body FROM resources WHERE {where.sql}
              ORDER BY created_at DESC, id DESC LIMIT ${len(where.values)}"""  # noqa: S608
    found: Rows = await connection.fetch(sql, *where.values)
    return found


async def resource(
    connection: asyncpg.Connection, tenant_id: str, kind: str, resource_id: str
) -> str | None:
    """The body of one business row as JSON text."""
    body: str | None = await connection.fetchval(
        "SELECT body::text FROM resources WHERE tenant_id = $1 AND kind = $2 AND id = $3",
        tenant_id,
        kind,
        resource_id,
    )
    return body


@dataclass(frozen=True)
class EntryFilter:
    """What a list of entries is narrowed to; empty members do not narrow."""

    account: str = ""
    event_id: str = ""
    event_type: str = ""
    status: str = ""
    decided_from: datetime | None = None
    decided_to: datetime | None = None
    waiting: bool = False


_TOUCHES = """EXISTS (SELECT FROM postings AS p WHERE p.tenant_id = entries.tenant_id
    AND p.partition = entries.partition AND p.seq = entries.seq
    AND p.ordinal = entries.ordinal AND p.account = ?)"""
_WAITS = """status = 'parked' AND NOT EXISTS (
    SELECT FROM entries AS later WHERE later.tenant_id = entries.tenant_id
    AND later.event_id = entries.event_id AND later.status <> 'duplicate'
    AND (later.seq, later.ordinal) > (entries.seq, entries.ordinal))"""


async def entries(
    connection: asyncpg.Connection,
    tenant_id: str,
    wanted: EntryFilter,
    *,
    after: EntryKey | None,
    limit: int,
) -> Rows:
    """Entries behind `after`, each with everything but its postings."""
    where = Where()
    where.add("tenant_id = ?", tenant_id)
    for column in ("event_id", "event_type", "status"):
        if value := getattr(wanted, column):
            where.add(f"{column} = ?", value)
    if wanted.waiting:
        where.add(_WAITS)
    if wanted.account:
        where.add(_TOUCHES, wanted.account)
    if wanted.decided_from is not None:
        where.add("decided_at >= ?", wanted.decided_from)
    if wanted.decided_to is not None:
        where.add("decided_at < ?", wanted.decided_to)
    if after is not None:
        where.add("(partition, seq, ordinal) < (?::int, ?::bigint, ?::int)", *after)
    where.values.append(limit)
    sql = f"""SELECT * FROM entries WHERE {where.sql}
              ORDER BY partition DESC, seq DESC, ordinal DESC LIMIT ${len(where.values)}"""  # noqa: S608
    found: Rows = await connection.fetch(sql, *where.values)
    return found


async def postings(
    connection: asyncpg.Connection, tenant_id: str, keys: Sequence[EntryKey]
) -> dict[EntryKey, list[asyncpg.Record]]:
    """The postings of these entries, by entry, in order."""
    found: dict[EntryKey, list[asyncpg.Record]] = {}
    if not keys:
        return found
    rows = await connection.fetch(
        """SELECT partition, seq, ordinal, account, asset, minor, dimensions::text AS dimensions,
                  booked_on, effective_on
           FROM postings JOIN unnest($2::int[], $3::bigint[], $4::int[])
             AS wanted (partition, seq, ordinal) USING (partition, seq, ordinal)
           WHERE tenant_id = $1 ORDER BY partition, seq, ordinal, leg""",
        tenant_id,
        *(list(column) for column in zip(*keys, strict=True)),
    )
    for row in rows:
        found.setdefault((row["partition"], row["seq"], row["ordinal"]), []).append(row)
    return found


@dataclass(frozen=True)
class Period:
    """Booked days, both ends included; None is without an end."""

    since: date | None = None
    until: date | None = None


async def opening(
    connection: asyncpg.Connection, tenant_id: str, account: str, asset: str, since: date | None
) -> int:
    """Debits less credits of an account before a day begins; 0 without one."""
    if since is None:
        return 0
    found = await connection.fetchval(
        """SELECT coalesce(sum(minor), 0) FROM postings
           WHERE tenant_id = $1 AND account = $2 AND asset = $3 AND booked_on < $4""",
        tenant_id,
        account,
        asset,
        since,
    )
    return int(found)


async def statement(
    connection: asyncpg.Connection,
    tenant_id: str,
    account: str,
    asset: str,
    *,
    period: Period,
    limit: int,
) -> Rows:
    """The legs of an account in the order they are booked, each with its event."""
    where = Where()
    where.add("p.tenant_id = ? AND p.account = ? AND p.asset = ?", tenant_id, account, asset)
    if period.since is not None:
        where.add("p.booked_on >= ?", period.since)
    if period.until is not None:
        where.add("p.booked_on <= ?", period.until)
    where.values.append(limit)
    sql = f"""SELECT p.booked_on, p.effective_on, p.minor, p.dimensions::text AS dimensions,
                     e.event_id, e.event_type
              FROM postings AS p JOIN entries AS e USING (tenant_id, partition, seq, ordinal)
              WHERE {where.sql}
              ORDER BY p.booked_on, p.partition, p.seq, p.ordinal, p.leg
              LIMIT ${len(where.values)}"""  # noqa: S608
    found: Rows = await connection.fetch(sql, *where.values)
    return found


async def balances_at(connection: asyncpg.Connection, tenant_id: str, at: datetime) -> Rows:
    """(account, asset, debits, credits) of all that was decided until a moment."""
    return await _sums(connection, tenant_id, "decided_at <= ?", at)


async def trial_balance(connection: asyncpg.Connection, tenant_id: str, through: date) -> Rows:
    """(account, asset, debits, credits) of all that counts until the end of a day."""
    return await _sums(connection, tenant_id, "booked_on <= ?", through)


async def _sums(
    connection: asyncpg.Connection, tenant_id: str, until: str, value: date | datetime
) -> Rows:
    where = Where()
    where.add("tenant_id = ?", tenant_id)
    where.add(until, value)
    sql = f"""SELECT account, asset, coalesce(sum(minor) FILTER (WHERE minor > 0), 0) AS debits,
                     coalesce(-sum(minor) FILTER (WHERE minor < 0), 0) AS credits
              FROM postings WHERE {where.sql}
              GROUP BY account, asset ORDER BY account, asset"""  # noqa: S608
    found: Rows = await connection.fetch(sql, *where.values)
    return found


async def emitted_by(
    connection: asyncpg.Connection, tenant_id: str, event_id: str, limit: int
) -> Rows:
    """(event_id, event_type, body, published) of what an event made us say, in order.

    What is published is on NATS and Kafka: the relay has come past its record.
    """
    found: Rows = await connection.fetch(
        """SELECT event_id, event_type, body, coalesce(relay.seq >= emitted.seq, false) AS published
           FROM emitted LEFT JOIN progress AS relay
             ON relay.role = 'relay' AND relay.partition = emitted.partition
           WHERE tenant_id = $1 AND source_event_id = $2
           ORDER BY emitted.partition, emitted.seq, ordinal, event_id LIMIT $3""",
        tenant_id,
        event_id,
        limit,
    )
    return found


async def dead_letters_of(
    connection: asyncpg.Connection, tenant_id: str, event_id: str, limit: int
) -> Rows:
    """(id, reason, received_at, redrive_status) of an event's dead letters, oldest first."""
    found: Rows = await connection.fetch(
        """SELECT id, reason, received_at, redrive_status FROM dead_letters
           WHERE tenant_id = $1 AND event_id = $2 ORDER BY received_at, id LIMIT $3""",
        tenant_id,
        event_id,
        limit,
    )
    return found


@dataclass(frozen=True)
class LetterFilter:
    """What a list of dead letters is narrowed to; empty members do not narrow."""

    reason: str = ""
    event_type: str = ""
    received_from: datetime | None = None
    received_to: datetime | None = None


_LETTER = "id, event_id, event_type, reason, ingress, received_at, redrive_attempt, redrive_status"


async def dead_letters(
    connection: asyncpg.Connection,
    tenant_id: str,
    wanted: LetterFilter,
    *,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Rows:
    """Dead letters behind `after` = (received_at, id), without their bytes.

    A reason is named by its beginning: what stands behind its colon differs by event.
    """
    where = Where()
    where.add("tenant_id = ?", tenant_id)
    for condition, value in (
        ("starts_with(reason, ?)", wanted.reason),
        ("event_type = ?", wanted.event_type),
        ("received_at >= ?", wanted.received_from),
        ("received_at < ?", wanted.received_to),
    ):
        if value:
            where.add(condition, value)
    if after is not None:
        where.add("(received_at, id) < (?, ?)", *after)
    where.values.append(limit)
    sql = f"""SELECT {_LETTER} FROM dead_letters WHERE {where.sql}
              ORDER BY received_at DESC, id DESC LIMIT ${len(where.values)}"""  # noqa: S608
    found: Rows = await connection.fetch(sql, *where.values)
    return found


async def dead_letter(
    connection: asyncpg.Connection, tenant_id: str, letter_id: str
) -> asyncpg.Record | None:
    """One dead letter with the bytes it came as."""
    return await connection.fetchrow(
        f"SELECT {_LETTER}, raw FROM dead_letters WHERE tenant_id = $1 AND id = $2",  # noqa: S608
        tenant_id,
        letter_id,
    )

"""Was an event decided before? Asked of the read models, for events older than any memory.

Only what the writer remembers as decided counts: an entry that waits, repeats another, or was
turned away at the door says nothing about the event.
"""

import asyncpg

from streams.envelope import Envelope, read

_AT_THE_DOOR = ("unknown_type", "ingress_not_allowed", "reserved_tenant", "conflict")
_NOT_NOW = ("parking_full",)  # told to the caller, who may come again, and not remembered


async def projected_seq(pool: asyncpg.Pool, partition: int) -> int:
    """How far the read models of the partition have come; -1 for not at all."""
    seq = await pool.fetchval(
        "SELECT seq FROM progress WHERE role = 'projector' AND partition = $1", partition
    )
    return -1 if seq is None else int(seq)


async def decided_before(
    pool: asyncpg.Pool,
    partition: int,
    before: tuple[int, int],
    *,
    tenant_id: str,
    event_id: str,
    redriven: bool = False,
) -> bool:
    """Whether an entry of the partition before this (seq, ordinal) decided the event.

    If it is `redriven`, whether one decided it for good: what was rejected may be decided again.
    Only true to the journal once the read models have come to that seq.
    """
    found = await pool.fetchval(
        """SELECT true FROM entries
           WHERE tenant_id = $1 AND event_id = $2 AND partition = $3 AND (seq, ordinal) < ($4, $5)
             AND status NOT IN ('duplicate', 'parked', 'misrouted')
             AND NOT (status = 'rejected' AND (reason = ANY ($6::text[]) OR $7))
             AND NOT (status = 'refused' AND reason = ANY ($8::text[]))
           LIMIT 1""",
        *(tenant_id, event_id, partition, *before, list(_AT_THE_DOOR), redriven, list(_NOT_NOW)),
    )
    return bool(found) or await _quarantined(pool, partition, before, (tenant_id, event_id))


async def _quarantined(
    pool: asyncpg.Pool, partition: int, before: tuple[int, int], wanted: tuple[str, str]
) -> bool:
    """Entries that the read models could not take: few if any, so each is looked into."""
    rows = await pool.fetch(
        """SELECT raw FROM quarantined
           WHERE partition = $1 AND part = 'entry' AND (seq, ordinal) < ($2, $3)""",
        *(partition, *before),
    )
    for row in rows:
        envelope = read(row[0])
        if isinstance(envelope, Envelope) and (envelope.tenant_id, envelope.event_id) == wanted:
            return True
    return False

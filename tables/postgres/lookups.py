"""Was an event decided before? Asked of the read models, for events older than any memory.

Only what the writer remembers as decided counts: an entry that waits, repeats another, or was
turned away at the door says nothing about the event.
"""

import asyncpg

from streams.journal import CODEC, Batch, Entry

_UNDECIDED = ("duplicate", "parked", "misrouted")
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
             AND status <> ALL ($6::text[])
             AND NOT (status = 'rejected' AND (reason = ANY ($7::text[]) OR $8))
             AND NOT (status = 'refused' AND reason = ANY ($9::text[]))
           LIMIT 1""",
        *(tenant_id, event_id, partition, *before),
        *(list(_UNDECIDED), list(_AT_THE_DOOR), redriven, list(_NOT_NOW)),
    )
    return bool(found) or await _quarantined(
        pool, partition, before, (tenant_id, event_id), redriven=redriven
    )


async def _quarantined(
    pool: asyncpg.Pool,
    partition: int,
    before: tuple[int, int],
    wanted: tuple[str, str],
    *,
    redriven: bool,
) -> bool:
    """The same of entries that the read models could not take: few if any, so each is read."""
    rows = await pool.fetch(
        """SELECT ordinal, bytes FROM quarantined JOIN raw_records USING (partition, seq)
           WHERE partition = $1 AND part = 'entry' AND (seq, ordinal) < ($2, $3)""",
        *(partition, *before),
    )
    for ordinal, data in rows:
        record = CODEC.decode(data)
        assert isinstance(record, Batch)
        entry = record.entries[ordinal]
        if (entry.tenant_id, entry.event_id) == wanted and _decided(entry, redriven=redriven):
            return True
    return False


def _decided(entry: Entry, *, redriven: bool) -> bool:
    """What the statement above asks of an entry."""
    if entry.status in _UNDECIDED:
        return False
    if entry.status == "rejected":
        return not redriven and entry.reason not in _AT_THE_DOOR
    return not (entry.status == "refused" and entry.reason in _NOT_NOW)

"""Archived records in order, for ever: the source of relay, projector and dispatch.

They read Postgres and never Kafka, so that a restored cluster makes nobody act twice.
"""

from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg

from agents.roles.archive_progress import ArchiveProgress
from streams.errors import JournalBroken
from streams.journal import CODEC, Batch, Claim, Genesis
from tables.postgres.archived import records_after

LOOK_AGAIN_S = 5.0
Archived = Batch | Genesis


async def follow_archive(
    pool: asyncpg.Pool, archived: ArchiveProgress, partition: int, seq: int
) -> AsyncIterator[list[Archived]]:
    """The records after `seq`, some at a time (4 MB at most, or one); waits for more.

    Raises `JournalBroken` when a record is missing between two.
    """
    while True:
        found = await records_after(pool, partition, seq)
        if not found:
            with suppress(TimeoutError):
                await archived.wait_past(partition, seq, LOOK_AGAIN_S)
            continue
        for number, _data in found:
            if seq >= 0 and number != seq + 1:
                raise JournalBroken(f"archive {partition}: seq {number} follows {seq}")
            seq = number
        yield [_decode(data) for _number, data in found]


def _decode(data: bytes) -> Archived:
    record = CODEC.decode(data)
    if isinstance(record, Claim):
        raise JournalBroken("a claim is never archived")
    return record

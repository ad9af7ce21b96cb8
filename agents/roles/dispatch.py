"""The dispatch role: reads calls from the archive and sees that each gets its answer.

Progress moves only past records whose calls are in Postgres with their nonces. The calls run
beside the reading, which must go on: a grant is read back by the same loop.
"""

import asyncio
import secrets
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any, NoReturn

import asyncpg
import structlog

from agents.gateways.onchain import CREDITED
from agents.gateways.told import REPORTED
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.conduct import Conductor, reopened
from agents.roles.follow import Bookmark, follow_archive
from agents.roles.lease import Lease, Owner, Progress, run_leased
from agents.roles.lookups import Lookups, is_lookup, request_of
from agents.roles.outages import Backoff, is_outage, together, uninterrupted
from agents.roles.reports import counted_calls
from agents.roles.saying import Saying
from agents.roles.tail import Archived
from streams.envelope import Envelope, read
from streams.journal import Batch, Call, Entry
from streams.money import plain
from tables.postgres.calls import (
    CallRow,
    Kept,
    Report,
    insert_calls,
    note_reports,
    unfinished_calls,
)

ROLE = "dispatch"
OBVIOUSLY_MS = 60_000  # our clock may differ from the log's by less

log = structlog.get_logger(__name__)


class Dispatch:
    """Dispatches partitions; `run` one of it per partition."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        archived: ArchiveProgress,
        saying: Saying,
        *,
        conductor: Conductor,
        lookups: Lookups,
        owner: Owner,
    ) -> None:
        self._pool, self._archived = pool, archived
        self._saying, self._conductor, self._lookups = saying, conductor, lookups
        self._owner = owner

    async def run(self, partition: int) -> NoReturn:
        """Dispatch this partition whenever its lease is ours."""
        lease = Lease(self._pool, ROLE, partition, self._owner)
        await run_leased(lease, partial(self._work, lease))

    async def _work(self, lease: Lease, progress: Progress) -> None:
        async with together() as tasks:
            for kept in await unfinished_calls(self._pool, lease.partition):
                tasks.create_task(uninterrupted(self._resumed(kept)))
            await self._follow(lease, progress.seq, tasks)

    async def _follow(self, lease: Lease, seq: int, tasks: asyncio.TaskGroup) -> NoReturn:
        """Read on from `seq`; an outage pauses the reading and leaves the calls alone."""
        backoff = Backoff()
        bookmark = Bookmark(self._pool, lease, seq)
        while True:
            try:
                records = follow_archive(self._pool, self._archived, lease.partition, seq)
                async for some in records:
                    if not some:
                        await bookmark.store()
                        continue
                    begun = await self._take(lease.partition, bookmark, some)
                    seq = some[-1].seq
                    for work in begun:
                        tasks.create_task(uninterrupted(work))
                    backoff.reset()
            except Exception as error:
                if not is_outage(error):
                    raise
            await backoff.pause()

    async def _take(
        self, partition: int, bookmark: Bookmark, records: list[Archived]
    ) -> list[Coroutine[Any, Any, None]]:
        """Store the calls of these records, move progress, pass on what was read back."""
        wanted: dict[str, tuple[CallRow, int]] = {}
        reports: list[Report] = []
        for batch in (record for record in records if isinstance(record, Batch)):
            for ordinal, entry in enumerate(batch.entries):
                for call in filter(self._can_be_made, entry.calls):
                    row = _row(partition, batch.seq, ordinal, entry, call)
                    wanted[row.call_id] = (row, batch.now_ms)
                if entry.event_type == REPORTED and entry.status == "applied":
                    reports.append(_report(entry))
            if any(entry.event_type == CREDITED for entry in batch.entries):
                reports += counted_calls(batch)
        rows = [row for row, _ in wanted.values()]
        added, told = await self._add(bookmark, records[-1].seq, rows, reports)
        for record in records:
            for entry in record.entries if isinstance(record, Batch) else ():
                self._saying.hear(entry)
        again = [kept for kept in told if kept.is_done]
        for kept in told:
            self._conductor.hear(kept.row.call_id, kept.told)
        fresh = [row for row in wanted.values() if row[0].call_id in added]
        return [
            *(self._fresh(row, now_ms) for row, now_ms in fresh),
            *(self._resumed(kept._replace(is_done=False)) for kept in again),
        ]

    async def _add(
        self, bookmark: Bookmark, seq: int, rows: list[CallRow], reports: list[Report]
    ) -> tuple[set[str], list[Kept]]:
        """Store calls and reports together with the progress past them.

        Returns which calls are new, and those that reports are about: `is_done` where one that was
        over has to be asked about again.
        """
        if not rows and not reports:
            await bookmark.move(seq)
            return set(), []
        async with self._pool.acquire() as connection, connection.transaction():
            await bookmark.move_within(connection, seq)
            added = await insert_calls(connection, rows)
            told = await note_reports(connection, reports)
            about = [await _looked_at(connection, kept) for kept in told.values()]
        bookmark.moved(seq)
        return added, [kept for kept in about if kept is not None]

    def _can_be_made(self, call: Call) -> bool:
        """Otherwise nobody asks for a grant, and the writer's clock ends the call unsent."""
        if is_lookup(call.gateway):
            return self._lookups.can_answer(call)
        if not self._conductor.knows((call.gateway, *call.gateways)):
            log.error("no such gateway here", gateway=call.gateway, call_id=call.call_id)
            return False
        return time.time_ns() // 1_000_000 <= call.deadline_ms + OBVIOUSLY_MS

    async def _fresh(self, row: CallRow, now_ms: int) -> None:
        if is_lookup(row.gateway):
            await self._lookups.answer(row)
        else:
            await self._conductor.conduct(row, row.deadline_ms - now_ms)

    async def _resumed(self, kept: Kept) -> None:
        row = kept.row
        if is_lookup(row.gateway):
            await self._lookups.answer(row)
        elif self._conductor.knows((row.gateway, *row.gateways)):
            await self._conductor.resume(kept)
        else:
            log.error("no such gateway here", gateway=row.gateway, call_id=row.call_id)


async def _looked_at(connection: asyncpg.Connection, kept: Kept) -> Kept | None:
    """The call; `is_done` if it was, and is not any more. None if nothing changes about it."""
    if not kept.is_done:
        return kept
    again = await reopened(connection, kept)
    return None if again is None else again._replace(is_done=True)


def _report(entry: Entry) -> Report:
    envelope = read(entry.raw)
    assert isinstance(envelope, Envelope)
    told = bytes(envelope.data)
    said = plain(told)
    proof = said.get("outcome") in {"succeeded", "failed"} and not said.get("ask")
    return Report(said["call_id"], said.get("handle", ""), told, proof)


def _row(partition: int, seq: int, ordinal: int, entry: Entry, call: Call) -> CallRow:
    return CallRow(
        call.call_id,
        entry.tenant_id,
        partition,
        seq,
        call.gateway,
        call.operation,
        request_of(call, ordinal),
        call.deadline_ms,
        secrets.token_hex(16),
        tuple(call.gateways),
    )

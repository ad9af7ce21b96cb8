import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agents.roles.archive import CHUNK_BYTES, ROLE, Archive, pieces
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.lease import Lease, Owner
from compose.local.postgres import PostgresServer
from streams.errors import JournalBroken, LogBetrayed
from streams.journal import Position, hash_of
from streams.kafka import Record
from tables.postgres.archived import (
    RawRecord,
    archive_genesis,
    images_of,
    last_record,
    records_after,
)
from tests.databases import migrated
from tests.journals import Journal, entry

WITHIN_S = 60


@pytest.fixture
def journal() -> Journal:
    return Journal()


@asynccontextmanager
async def archiving(stack, database, topic):
    """The running archive of partition 0, and what it tells about its progress."""
    archived = ArchiveProgress(database.archiver)
    archive = Archive(database.archiver, stack.kafka.bootstrap, topic, archived, Owner("test"))
    task = asyncio.create_task(archive.run(0))
    try:
        yield archived, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await archived.close()


async def reach(archived: ArchiveProgress, task: asyncio.Task, position: Position) -> None:
    """Wait for the archive, or raise what ended it."""
    waiting = asyncio.create_task(archived.wait_for(0, position, WITHIN_S))
    await asyncio.wait({waiting, task}, return_when="FIRST_COMPLETED")
    if task.done():
        waiting.cancel()
        task.result()
    await waiting


async def stored(database) -> list[bytes]:
    return [data for _, data in await records_after(database.archiver, 0, -1)]


async def rows(database) -> dict[bytes, tuple[int, bytes]]:
    return {key: (seq, value) async for key, seq, value in images_of(database.archiver, 0)}


class TestArchive:
    async def test_stores_what_counts_and_nothing_else(
        self, stack, database, journal_topic, append_journal, journal
    ):
        genesis, old_claim = journal.genesis(), journal.claim("old")
        first = journal.batch([entry(0)], {b"a": b"1", b"b": b"1"})
        zombie = Journal(**vars(journal))
        new_claim = journal.claim("new")
        second = journal.batch([entry(1)], {b"a": b"2", b"b": None})
        late = zombie.batch([entry(1)], {b"a": b"zombie"})
        await append_journal(genesis, old_claim, first, first, new_claim, late, second, late)
        async with archiving(stack, database, journal_topic) as (archived, task):
            await reach(archived, task, journal.next)
            assert archived.get(0) == (2, journal.next)
        assert await stored(database) == [genesis, first, second]
        assert await rows(database) == {b"a": (2, b"2")}
        last = await last_record(database.archiver, 0)
        assert (last.journal_offset, last.hash) == (6, hash_of(second))
        assert (last.log, last.first_offset, last.next_offset) == (1, 1, 2)

    async def test_goes_on_where_it_stopped(
        self, stack, database, journal_topic, append_journal, journal
    ):
        records = [journal.genesis(), journal.claim("w"), journal.batch([entry(0)])]
        await append_journal(*records)
        async with archiving(stack, database, journal_topic) as (archived, task):
            await reach(archived, task, journal.next)
        more = [journal.batch([entry(n)], {b"k": b"%d" % n}) for n in range(1, 30)]
        await append_journal(*more)
        async with archiving(stack, database, journal_topic) as (archived, task):
            await reach(archived, task, journal.next)
        assert await stored(database) == [records[0], records[2], *more]
        assert await rows(database) == {b"k": (30, b"29")}

    async def test_stops_when_the_journal_contradicts_itself(
        self, stack, database, journal_topic, append_journal, journal
    ):
        genesis, claim = journal.genesis(), journal.claim("w")
        journal.batch([entry(0)])  # lost
        await append_journal(genesis, claim, journal.batch([entry(1)]))
        async with archiving(stack, database, journal_topic) as (archived, task):
            with pytest.raises(JournalBroken):
                await reach(archived, task, journal.next)

    async def test_refuses_another_partitions_journal(
        self, stack, database, journal_topic, append_journal
    ):
        journal = Journal(partition=5)
        await append_journal(journal.genesis())
        async with archiving(stack, database, journal_topic) as (archived, task):
            with pytest.raises(JournalBroken, match="partition 5"):
                await reach(archived, task, journal.next)


class TestABetrayedJournal:
    @pytest.fixture
    async def archived_journal(self, stack, database, journal_topic, append_journal, journal):
        await append_journal(journal.genesis(), journal.claim("w"), journal.batch([entry(0)]))
        async with archiving(stack, database, journal_topic) as (archived, task):
            await reach(archived, task, journal.next)
        return journal

    async def follow(self, stack, database, topic) -> None:
        async with archiving(stack, database, topic) as (_, task):
            await asyncio.wait_for(task, WITHIN_S)

    @pytest.mark.usefixtures("archived_journal")
    async def test_an_empty_journal_is_refused(self, stack, database):
        await stack.create_topics({"journal-empty": 1})
        with pytest.raises(LogBetrayed, match="treasury restore"):
            await self.follow(stack, database, "journal-empty")

    @pytest.mark.usefixtures("archived_journal")
    async def test_other_records_at_the_same_offsets_are_refused(self, stack, database, producer):
        await stack.create_topics({"journal-other": 1})
        other = Journal()
        for record in (other.genesis(), other.claim("x"), other.batch([entry(9)])):
            await producer.send_and_wait("journal-other", record, partition=0)
        with pytest.raises(LogBetrayed, match="treasury restore"):
            await self.follow(stack, database, "journal-other")

    async def test_a_restored_journal_goes_on_after_the_archive(
        self, stack, database, producer, archived_journal
    ):
        journal = archived_journal
        await stack.create_topics({"journal-restored": 1})
        records = [journal.genesis(), journal.claim("r"), journal.batch([entry(7)], {b"z": b"7"})]
        digest = hash_of(records[0])
        genesis = RawRecord(0, 2, 2, 0, 0, 0, 0, 0, digest, records[0])
        assert await archive_genesis(database.archiver, genesis)
        assert not await archive_genesis(database.archiver, genesis)
        for record in records:
            await producer.send_and_wait("journal-restored", record, partition=0)
        async with archiving(stack, database, "journal-restored") as (archived, task):
            await reach(archived, task, Position(2, 1))
        assert (await stored(database))[2:] == [records[0], records[2]]
        last = await last_record(database.archiver, 0)
        assert (last.seq, last.log, last.journal_offset) == (3, 2, 2)


class TestAnOutageOfPostgres:
    async def test_costs_no_record(
        self, stack, stack_folder, journal_topic, append_journal, journal
    ):
        server = PostgresServer(stack_folder / "outage")
        dsn = await server.start()
        try:
            async with migrated(dsn) as database:
                await append_journal(journal.genesis(), journal.claim("w"))
                async with archiving(stack, database, journal_topic) as (archived, task):
                    await append_journal(*(journal.batch([entry(n)]) for n in range(5)))
                    await reach(archived, task, journal.next)
                    await server.kill()
                    await append_journal(*(journal.batch([entry(n)]) for n in range(5, 10)))
                    await asyncio.sleep(0.5)
                    await server.start()
                    await reach(archived, task, journal.next)
                assert len(await stored(database)) == 11
        finally:
            await server.stop()


WORKER = """
import asyncio, sys
from agents.roles.archive import Archive
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.lease import Owner
from tables.postgres.pool import open_pool

async def main(dsn, bootstrap, topic):
    pool = await open_pool(dsn)
    await Archive(pool, bootstrap, topic, ArchiveProgress(pool), Owner("crasher")).run(0)

asyncio.run(main(*sys.argv[1:]))
"""


class TestACrashBeforeTheCommit:
    async def test_leaves_nothing_half_done(
        self, stack, database, database_dsn, journal_topic, append_journal, journal
    ):
        await append_journal(journal.genesis(), journal.claim("w"))
        records = [journal.batch([entry(n)], {b"k": b"%d" % n}) for n in range(5)]
        await append_journal(*records)
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", WORKER, database_dsn, stack.kafka.bootstrap, journal_topic),
            env={**os.environ, "TREASURY_CRASH_AT": "S11:1"},
            cwd=Path(__file__).parents[3],
        )
        assert await asyncio.wait_for(worker.wait(), WITHIN_S) == -signal.SIGKILL
        assert await stored(database) == []
        assert await rows(database) == {}
        async with archiving(stack, database, journal_topic) as (archived, task):
            await reach(archived, task, journal.next)
        assert len(await stored(database)) == 6
        assert await rows(database) == {b"k": (5, b"4")}


class TestArchiveProgress:
    async def test_hears_of_an_archive_in_another_process(self, database):
        lease = Lease(database.archiver, ROLE, 2, Owner("elsewhere"))
        await lease.acquire()
        archived = ArchiveProgress(database.archiver)
        waiting = asyncio.create_task(archived.wait_for(2, Position(1, 5), WITHIN_S))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        async with database.archiver.acquire() as connection:
            await lease.advance(connection, -1, 3, next_position=Position(1, 5))
        await waiting
        assert archived.get(2) == (3, Position(1, 5))
        await archived.close()

    async def test_gives_up_at_the_timeout_and_keeps_no_waiter(self, database):
        archived = ArchiveProgress(database.archiver)
        with pytest.raises(TimeoutError):
            await archived.wait_for(0, Position(1, 5), 0.1)
        assert not archived._waiters[0]
        await archived.close()

    async def test_wakes_those_who_waited_for_less(self, database):
        archived = ArchiveProgress(database.archiver)
        with archived.told_here(0, 2):
            less = asyncio.create_task(archived.wait_for(0, Position(1, 5), WITHIN_S))
            more = asyncio.create_task(archived.wait_for(0, Position(1, 6), WITHIN_S))
            past = asyncio.create_task(archived.wait_past(0, 3, WITHIN_S))
            await asyncio.sleep(0)
            archived.note(0, 3, Position(1, 5, 2))
            await less
            assert not more.done()
            assert not past.done()
            archived.note(0, 4, Position(2, 0))
            await more
            await past


class TestPieces:
    def record(self, size: int) -> Record:
        return Record(0, 0, (), bytes(size), None)

    def test_are_bounded_and_lose_nothing(self):
        sizes = [10, CHUNK_BYTES, 10, CHUNK_BYTES + 1, *[1] * 600]
        records = [self.record(size) for size in sizes]
        found = [[len(r.value) for r in piece] for piece in pieces(records)]
        assert [size for piece in found for size in piece] == sizes
        assert all(sum(p) <= CHUNK_BYTES or len(p) == 1 for p in found)
        assert max(map(len, found)) == 256

    def test_of_nothing_are_none(self):
        assert list(pieces([])) == []

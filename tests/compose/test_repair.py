"""Restore and rebase against a real log and archive; the records are made to order."""

import asyncpg
import pytest
import pytest_asyncio

from agents.roles.archive import read_chunk
from agents.roles.lease import Lease, Owner
from compose import repair
from compose.local.broker import EmbeddedBroker
from compose.repair import rebase, restore
from compose.serve import migrate_database
from compose.settings import Settings, new_master_key
from compose.topics import create_topics
from streams.errors import Misconfigured
from streams.journal import CODEC, Chain, Genesis, Position, hash_of
from streams.kafka import PartitionReader, Record, open_producer
from tables.checkpoint import CODEC as CHECKPOINTS
from tables.postgres.archived import apply_images, insert_records, last_record
from tables.postgres.pool import open_pool
from tables.store import CHECKPOINT_KEY, stored_value
from tests.journals import Journal, entry

PARTITIONS = 4
ROWS = {b"rw\x00t\x00%d" % number: b"row %d" % number for number in range(7)}


class Killed(Exception):
    pass


class Ruin:
    """An archive of four partitions, and a Kafka that holds nothing of them."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool) -> None:
        self.settings, self.pool = settings, pool
        self.journals = [Journal(number, PARTITIONS) for number in range(PARTITIONS)]

    async def archive(self) -> None:
        for journal in self.journals:
            records = [journal.genesis(), journal.claim("w"), journal.batch([entry(0)], ROWS)]
            found = [Record(offset, 0, (), data, None) for offset, data in enumerate(records)]
            chain = Chain()
            chunk = read_chunk(chain, journal.partition, found)
            lease = Lease(self.pool, "archive", journal.partition, Owner("test"))
            await lease.acquire()
            async with self.pool.acquire() as connection, connection.transaction():
                await lease.advance(
                    connection, -1, chain.seq, journal_offset=2, next_position=chain.next
                )
                await insert_records(connection, chunk.records)
                await apply_images(connection, journal.partition, chunk.images)

    async def read(self, topic: str, partition: int) -> list[Record]:
        async with PartitionReader(self.settings.kafka, topic, partition) as reader:
            start, end = await reader.bounds()
            return [one async for some in reader.read_range(start, end) for one in some]

    async def journal(self, partition: int) -> list[Record]:
        return await self.read(self.settings.topics.journal.name, partition)

    async def progress(self, partition: int) -> tuple:
        return tuple(
            await self.pool.fetchrow(
                "SELECT seq, journal_offset, next_log, next_offset, next_index FROM progress"
                " WHERE role = 'archive' AND partition = $1",
                partition,
            )
        )

    async def append(
        self, topic: str, partition: int, data: bytes, key: bytes | None = None
    ) -> None:
        producer = await open_producer(self.settings.kafka)
        await producer.send_and_wait(topic, data, key=key, partition=partition)
        await producer.stop()


@pytest_asyncio.fixture
async def ruin(stack, database_dsn, stack_folder):
    embedded = isinstance(stack.kafka, EmbeddedBroker)
    settings = Settings(
        kafka=stack.kafka.bootstrap,
        postgres_dsn=database_dsn,
        master_key=new_master_key(),
        prefix=f"r{database_dsn[-20:]}",
        partitions=PARTITIONS,
        embedded=embedded,
    )
    if embedded:
        await stack.create_topics({topic.name: PARTITIONS for topic in settings.topics.all()})
    else:
        await create_topics(settings)
    await migrate_database(settings)
    pool = await open_pool(settings.archiver_dsn, max_size=2)
    ruin = Ruin(settings, pool)
    await ruin.archive()
    yield ruin
    await pool.close()


def dies_at(partition: int):
    def tell(line: str) -> None:
        if line.startswith(f"partition {partition}:"):
            raise Killed

    return tell


class TestRestore:
    async def test_goes_on_where_the_archive_ends(self, ruin):
        await restore(ruin.settings, print)
        for partition, journal in enumerate(ruin.journals):
            (record,) = await ruin.journal(partition)
            genesis = CODEC.decode(record.value)
            assert (genesis.seq, genesis.previous_hash) == (journal.seq + 1, journal.previous_hash)
            assert genesis.next == Position(2, 0)

    async def test_ends_every_changelog_with_a_checkpoint_at_the_genesis(self, ruin):
        await restore(ruin.settings, print)
        for partition in range(PARTITIONS):
            (genesis,) = await ruin.journal(partition)
            *rows, last = await ruin.read(ruin.settings.topics.changelog.name, partition)
            assert {row.key: row.value[8:] for row in rows} == ROWS
            assert last.key == CHECKPOINT_KEY
            checkpoint = CHECKPOINTS.decode(last.value[8:])
            assert checkpoint.journal_offset == genesis.offset == 0
            assert checkpoint.record_hash == hash_of(genesis.value)
            assert checkpoint.seq == int.from_bytes(last.value[:8], "big") == 2

    async def test_takes_a_journal_of_claims_for_empty(self, ruin):
        # Workers that started on the empty Kafka left them before they refused to go on.
        for name in ("first", "second"):
            claim = Journal(0, PARTITIONS).claim(name)
            await ruin.append(ruin.settings.topics.journal.name, 0, claim)
        for _ in range(2):
            await restore(ruin.settings, print)
            *_, genesis = await ruin.journal(0)
            assert await ruin.progress(0) == (2, genesis.offset, 2, 0, 0)
            last = (await ruin.read(ruin.settings.topics.changelog.name, 0))[-1]
            assert CHECKPOINTS.decode(last.value[8:]).journal_offset == genesis.offset == 2

    async def test_leaves_the_archive_in_the_new_log(self, ruin):
        await restore(ruin.settings, print)
        for partition in range(PARTITIONS):
            (genesis,) = await ruin.journal(partition)
            assert await ruin.progress(partition) == (2, 0, 2, 0, 0)
            assert (await last_record(ruin.pool, partition)).bytes == genesis.value

    async def test_may_be_repeated_after_it_was_killed_between_two_partitions(self, ruin):
        with pytest.raises(Killed):
            await restore(ruin.settings, dies_at(1))
        begun = [await ruin.journal(partition) for partition in range(PARTITIONS)]
        assert [len(records) for records in begun] == [1, 1, 0, 0]
        await restore(ruin.settings, print)
        await restore(ruin.settings, print)
        after = [await ruin.journal(partition) for partition in range(PARTITIONS)]
        assert [len(records) for records in after] == [1, 1, 1, 1]
        assert after[:2] == begun[:2]

    async def test_may_be_repeated_after_it_was_killed_before_it_archived(self, ruin, monkeypatch):
        async def killed(*_):
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(repair, "archive_genesis", killed)
            with pytest.raises(Killed):
                await restore(ruin.settings, print)
        assert (await ruin.progress(0))[0] == 1
        await restore(ruin.settings, print)
        for partition in range(PARTITIONS):
            (genesis,) = await ruin.journal(partition)
            assert await ruin.progress(partition) == (2, 0, 2, 0, 0)
            assert (await last_record(ruin.pool, partition)).bytes == genesis.value

    async def test_may_be_repeated_after_it_was_killed_before_the_genesis(self, ruin, monkeypatch):
        async def killed(*_, **__):
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(repair, "_begin_log", killed)
            with pytest.raises(Killed):
                await restore(ruin.settings, print)
        await restore(ruin.settings, print)
        (genesis,) = await ruin.journal(0)
        last = (await ruin.read(ruin.settings.topics.changelog.name, 0))[-1]
        assert CHECKPOINTS.decode(last.value[8:]).record_hash == hash_of(genesis.value)

    async def test_refuses_a_journal_that_does_not_go_on_from_the_archive(self, ruin):
        other = Journal(2, PARTITIONS)
        await ruin.append(ruin.settings.topics.journal.name, 2, other.genesis())
        with pytest.raises(Misconfigured, match="journal 2 is not empty"):
            await restore(ruin.settings, print)

    async def test_refuses_a_journal_that_lost_only_its_end(self, ruin):
        whole = Journal(0, PARTITIONS)
        await ruin.append(ruin.settings.topics.journal.name, 0, whole.genesis())
        with pytest.raises(Misconfigured, match="journal 0 is not empty"):
            await restore(ruin.settings, print)

    async def test_refuses_a_changelog_that_is_ahead_of_the_archive(self, ruin):
        # A row of the record that came after the last archived one: it would win for ever.
        name = ruin.settings.topics.changelog.name
        await ruin.append(name, 3, stored_value(2, b"lost"), key=b"rw\x00t\x000")
        with pytest.raises(Misconfigured, match=f"{name}.3. holds rows of records that were lost"):
            await restore(ruin.settings, print)
        assert await ruin.journal(3) == []
        assert len(await ruin.read(name, 3)) == 1


class TestRebase:
    async def test_leaves_alone_what_was_not_replaced(self, ruin):
        await restore(ruin.settings, print)
        raw = b"[]"
        await ruin.append(ruin.settings.topics.inbound.name, 0, raw)
        await _decided(ruin, 0, inbound_hash=hash_of(raw))
        before = len(await ruin.journal(0))
        with pytest.raises(Misconfigured, match="nothing to rebase"):
            await rebase(ruin.settings, list(range(PARTITIONS)), print)
        assert len(await ruin.journal(0)) == before

    async def test_rebases_only_what_was_replaced(self, ruin):
        await restore(ruin.settings, print)
        await ruin.append(ruin.settings.topics.inbound.name, 0, b"[1]")
        await _decided(ruin, 0, inbound_hash=hash_of(b"[0]"))
        others = [len(await ruin.journal(number)) for number in range(1, PARTITIONS)]
        await rebase(ruin.settings, list(range(PARTITIONS)), print)
        records = await ruin.journal(0)
        genesis = CODEC.decode(records[-1].value)
        assert isinstance(genesis, Genesis)
        assert genesis.previous_hash == hash_of(records[-2].value)
        assert [len(await ruin.journal(number)) for number in range(1, PARTITIONS)] == others

    @pytest.mark.parametrize("partition", [-1, PARTITIONS])
    async def test_refuses_a_partition_that_is_not_there(self, ruin, partition):
        with pytest.raises(Misconfigured, match="no partition"):
            await rebase(ruin.settings, [partition], print)

    async def test_leaves_to_the_archive_what_it_has_not_read_yet(self, ruin):
        await restore(ruin.settings, print)
        await _decided(ruin, 0, inbound_hash=hash_of(b"of a log that is gone"))
        await rebase(ruin.settings, [0], print)
        assert await ruin.progress(0) == (2, 0, 2, 0, 0)
        assert CODEC.decode((await ruin.journal(0))[-1].value).seq == 4


async def _decided(ruin: Ruin, partition: int, *, inbound_hash: bytes) -> None:
    """A claim and a batch after the restored genesis, as a worker would append them."""
    journal = Journal(partition, PARTITIONS)
    (genesis,) = await ruin.journal(partition)
    chain = Chain.after(genesis.value)
    journal.seq, journal.next, journal.previous_hash = chain.seq, chain.next, chain.record_hash
    name = ruin.settings.topics.journal.name
    for record in (journal.claim("w"), journal.batch([entry(0)], inbound_hash=inbound_hash)):
        await ruin.append(name, partition, record)

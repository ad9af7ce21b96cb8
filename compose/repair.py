"""The two commands that go on where a worker refuses: restore after a loss, rebase to a new log.

Both are for people, with every worker stopped. Neither publishes or calls anything: relay and
dispatch have their own progress in Postgres, and no entry is written.
"""

import time
import uuid
from collections.abc import Callable

import asyncpg
from aiokafka import AIOKafkaProducer

from agents.registry import RULES_VERSION
from compose.settings import Settings
from compose.topics import create_topics
from streams.errors import Fenced, LogBetrayed, Misconfigured
from streams.journal import CODEC, NO_HASH, Batch, Chain, Claim, Genesis, Position, hash_of
from streams.kafka import PartitionReader, open_producer
from tables.checkpoint import CODEC as CHECKPOINTS
from tables.checkpoint import ChangelogWriter, checkpoint_of
from tables.postgres.archived import (
    RawRecord,
    archive_genesis,
    archived_offset,
    images_of,
    last_record,
    raw_record,
)
from tables.postgres.pool import open_pool
from tables.recovery import beginning, check_inbound
from tables.store import CHECKPOINT_KEY, stored_value

Told = Callable[[str], None]


async def restore(settings: Settings, tell: Told) -> None:
    """Begin new journals on a Kafka that lost its data, from the archive.

    Rows come from the archive's last images, numbers and hashes go on where the archive ends; the
    inbound log starts anew. May be repeated: it leaves a partition alone that it has restored, and
    refuses every other journal that holds more than claims, and a changelog that is ahead of the
    archive.
    """
    if not settings.embedded:
        await create_topics(settings)
    pool = await open_pool(settings.archiver_dsn, max_size=2)
    producer = await open_producer(settings.kafka)
    try:
        for partition in range(settings.partitions):
            await _restore(settings, pool, producer, partition, tell)
    finally:
        await producer.stop()
        await pool.close()


async def _restore(
    settings: Settings,
    pool: asyncpg.Pool,
    producer: AIOKafkaProducer,
    partition: int,
    tell: Told,
) -> None:
    latest = await last_record(pool, partition)
    if latest is None:
        return  # nothing was ever archived: `treasury topics` begins this journal
    if await _goes_on(settings, pool, partition, latest):
        tell(f"partition {partition}: its journal goes on from the archive already")
        return
    first, _ = await _bounds(settings, settings.topics.inbound.name, partition)
    if first > 0:
        raise Misconfigured(f"inbound {partition} does not begin at offset 0")
    genesis = _genesis(settings, Chain.after(latest.bytes), partition, first_offset=0)
    await _must_not_be_ahead(settings, genesis)
    _, end = await _bounds(settings, settings.topics.journal.name, partition)
    rows = await _rows_to_changelog(settings, pool, producer, genesis, journal_offset=end)
    await _begin_log(settings, pool, producer, genesis, expected=end)
    tell(f"partition {partition}: {rows} rows, goes on at seq {genesis.seq} as log {genesis.log}")


async def _goes_on(
    settings: Settings, pool: asyncpg.Pool, partition: int, latest: RawRecord
) -> bool:
    """Whether the journal goes on from the archive already; raises if it holds anything else."""
    async with PartitionReader(settings.kafka, settings.topics.journal.name, partition) as reader:
        begun = await beginning(reader)
        if begun is None:
            return False
        archived = await reader.read_one(await archived_offset(pool, partition))
        if archived is not None and hash_of(archived.value) == latest.hash:
            return True
    genesis = CODEC.decode(begun.value)
    if isinstance(genesis, Genesis) and genesis.previous_hash == latest.hash:
        await archive_genesis(pool, _raw(genesis, begun.offset, begun.value))
        return True
    raise Misconfigured(
        f"journal {partition} is not empty: restore is for a Kafka that lost everything;"
        " delete the topic first if this one is to be given up"
    )


async def _must_not_be_ahead(settings: Settings, genesis: Genesis) -> None:
    """Rows of records that were lost would win over the archive's, in this worker and the next."""
    name, partition = settings.topics.changelog.name, genesis.partition
    async with PartitionReader(settings.kafka, name, partition) as reader:
        async for records in reader.read_range(*await reader.bounds()):
            for record in records:
                seq = int.from_bytes(record.value[:8], "big")
                # At the genesis itself stands the checkpoint of a restore that was cut short.
                ours = record.key == CHECKPOINT_KEY and seq == genesis.seq
                if seq >= genesis.seq and not ours:
                    raise Misconfigured(
                        f"{name}[{partition}] holds rows of records that were lost;"
                        " delete that topic first"
                    )


async def _rows_to_changelog(
    settings: Settings,
    pool: asyncpg.Pool,
    producer: AIOKafkaProducer,
    genesis: Genesis,
    *,
    journal_offset: int,
) -> int:
    """All rows, then the checkpoint at the genesis record, which does not stand yet.

    The genesis comes after it, because it is what makes all of this count. Without a checkpoint a
    worker's local folder that is older than the loss would bring its own.
    """
    name, partition = settings.topics.changelog.name, genesis.partition
    _, end = await _bounds(settings, name, partition)
    changelog = ChangelogWriter(producer, name, partition, end)
    count = await changelog.append_all(
        (key, stored_value(seq, value)) async for key, seq, value in images_of(pool, partition)
    )
    checkpoint = checkpoint_of(Chain.after(CODEC.encode(genesis)), journal_offset)
    row = stored_value(genesis.seq, CHECKPOINTS.encode(checkpoint))
    await changelog.append({CHECKPOINT_KEY: row})
    return count


async def rebase(settings: Settings, partitions: list[int], tell: Told) -> None:
    """Go on with an inbound log that is not the one decided on, from its first record.

    Whatever of the old log was not decided is given up: NATS delivers again what it was not
    told to forget; other producers must send again. Duplicates stay recognised. A partition
    whose inbound log is the one that was decided on is left alone; raises `Misconfigured` when
    that is true of all of them.
    """
    for partition in partitions:
        if not 0 <= partition < settings.partitions:
            raise Misconfigured(f"no partition {partition}: there are {settings.partitions}")
    rebased = 0
    pool = await open_pool(settings.archiver_dsn, max_size=2)
    producer = await open_producer(settings.kafka)
    try:
        for partition in partitions:
            chain = await _whole_chain(settings, partition)
            if await _is_the_one_decided_on(settings, chain, partition):
                tell(f"partition {partition}: its inbound log was not replaced; left alone")
                continue
            first, _ = await _bounds(settings, settings.topics.inbound.name, partition)
            rebased += 1
            genesis = _genesis(settings, chain, partition, first_offset=first)
            await _begin_log(settings, pool, producer, genesis)
            tell(f"partition {partition}: log {genesis.log} from offset {first} on")
    finally:
        await producer.stop()
        await pool.close()
    if not rebased:
        raise Misconfigured("nothing to rebase: every inbound log is the one that was decided on")


async def _is_the_one_decided_on(settings: Settings, chain: Chain, partition: int) -> bool:
    """Whether a writer could simply go on: then a new log would only decide everything again."""
    name = settings.topics.inbound.name
    async with PartitionReader(settings.kafka, name, partition) as reader:
        first, _ = await reader.bounds()
        try:
            await check_inbound(chain, reader)
        except LogBetrayed:
            return False
    return first <= chain.next.offset


async def _whole_chain(settings: Settings, partition: int) -> Chain:
    """The chain at the journal's end, folded from its first record that can begin one."""
    chain: Chain | None = None
    name = settings.topics.journal.name
    async with PartitionReader(settings.kafka, name, partition) as reader:
        first, end = await reader.bounds()
        async for records in reader.read_range(first, end):
            for record in records:
                if chain is not None:
                    chain.accept(record.value)
                elif isinstance(found := CODEC.decode(record.value), (Genesis, Batch)):
                    # The oldest record that was kept counts: trimming stops at a checkpoint's.
                    chain = Chain.after(record.value)
                else:
                    assert isinstance(found, Claim)
    if chain is None:
        raise LogBetrayed(f"journal {partition} is empty: run `treasury restore`")
    return chain


def _genesis(settings: Settings, chain: Chain, partition: int, *, first_offset: int) -> Genesis:
    log = chain.next.log + 1
    return Genesis(
        uuid.uuid4().bytes,
        log,
        partition,
        settings.partitions,
        chain.seq + 1,
        Position(log, first_offset, 0),
        chain.record_hash,
        NO_HASH,
        RULES_VERSION,
        max(chain.now_ms, time.time_ns() // 1_000_000),
        chain.digest,
    )


async def _begin_log(
    settings: Settings,
    pool: asyncpg.Pool,
    producer: AIOKafkaProducer,
    genesis: Genesis,
    *,
    expected: int | None = None,
) -> None:
    """Append the genesis record; archived at once, so that nobody waits for the old log's end."""
    name, data = settings.topics.journal.name, CODEC.encode(genesis)
    metadata = await producer.send_and_wait(name, data, partition=genesis.partition)
    if expected is not None and metadata.offset != expected:
        raise Fenced(f"{name}[{genesis.partition}] has another writer: stop every worker")
    await archive_genesis(pool, _raw(genesis, metadata.offset, data))


def _raw(genesis: Genesis, offset: int, data: bytes) -> RawRecord:
    return raw_record(genesis, genesis.partition, offset, hash_of(data), data)


async def _bounds(settings: Settings, topic: str, partition: int) -> tuple[int, int]:
    async with PartitionReader(settings.kafka, topic, partition) as reader:
        return await reader.bounds()

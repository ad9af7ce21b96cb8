"""Taking a partition over: claim it, bring its rows back, prove them, only then decide.

Whatever does not fit ends the process with a message that names the command to run; a wrong
balance is never served.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import NoReturn

import asyncpg
import structlog

from agents.registry import RULES_VERSION
from agents.roles.journal_writer import JournalWriter
from streams.errors import Fenced, JournalBroken, LogBetrayed, Misconfigured
from streams.journal import CODEC as RECORDS
from streams.journal import Chain, Claim, Genesis
from streams.kafka import PartitionReader
from streams.topics import Topics
from tables.checkpoint import CODEC, ChangelogWriter, checkpoint_of, write_checkpoint
from tables.postgres.archived import archived_offset, images_in, last_record, snapshot
from tables.recovery import (
    ChangelogLost,
    DigestMismatch,
    Recovered,
    check_inbound,
    read_changelog,
    redo,
    restore_rows,
)
from tables.store import CHECKPOINT_KEY, PartitionStore, stored_value

MustBeOurs = Callable[[], None]
"""Raises `Fenced` once another assignment has begun: the rows are somebody else's to write."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sources:
    """Where a partition's past is read from."""

    bootstrap: str
    topics: Topics
    archive: asyncpg.Pool
    changelog_forgets: bool = False
    """The embedded broker drops what exceeds its memory: rows from the archive would not stay."""


@dataclass(frozen=True)
class TakenOver:
    """A recovered partition and the changelog offset its next checkpoint must get.

    `foreign` is None unless the rows came from the archive and the changelog has to be put right
    (`correct_changelog`): then it holds the keys that only the changelog has.
    """

    recovered: Recovered
    changelog_end: int
    foreign: list[bytes] | None = None


async def take_over(
    partition: int,
    store: PartitionStore,
    journal: JournalWriter,
    sources: Sources,
    must_be_ours: MustBeOurs,
) -> TakenOver:
    """Recover the partition that `journal` has just claimed.

    First from what is there; if that does not add up, from the whole changelog; if that does not
    either (it was lost, or compaction kept a late writer's older rows), from the archive.
    """
    try:
        return await _attempts(partition, store, journal, sources, must_be_ours)
    except (LogBetrayed, JournalBroken) as error:
        await _or_fenced(partition, journal, sources, error)


async def _attempts(
    partition: int,
    store: PartitionStore,
    journal: JournalWriter,
    sources: Sources,
    must_be_ours: MustBeOurs,
) -> TakenOver:
    try:
        return await _recover(partition, store, journal, sources)
    except (DigestMismatch, LogBetrayed, Fenced) as error:
        # The local rows may be of a log that is gone: they alone never make us refuse.
        log.warning("recovery_reads_all_again", partition=partition, error=str(error))
    must_be_ours()
    store.wipe()
    try:
        return await _recover(partition, store, journal, sources)
    except (DigestMismatch, ChangelogLost) as error:
        log.warning("recovery_reads_the_archive", partition=partition, error=str(error))
    must_be_ours()
    return await _recover(partition, store, journal, sources, archived=True)


async def _or_fenced(
    partition: int, journal: JournalWriter, sources: Sources, error: Exception
) -> NoReturn:
    """What looks like a loss may only be a newer owner: then this process has to go, not people."""
    name = sources.topics.journal.name
    async with PartitionReader(sources.bootstrap, name, partition) as reader:
        _, end = await reader.bounds()
        async for records in reader.read_range(journal.end, end):
            if any(
                isinstance(RECORDS.decode(record.value), (Claim, Genesis)) for record in records
            ):
                raise Fenced(f"partition {partition} was claimed by another worker") from error
    raise error


async def _recover(
    partition: int,
    store: PartitionStore,
    journal: JournalWriter,
    sources: Sources,
    *,
    archived: bool = False,
) -> TakenOver:
    topics, bootstrap = sources.topics, sources.bootstrap
    latest = await last_record(sources.archive, partition)
    foreign: list[bytes] | None = None
    async with PartitionReader(bootstrap, topics.changelog.name, partition) as changelog:
        if archived:
            _, changelog_end = await changelog.bounds()
            foreign = await _rows_of_archive(partition, store, sources.archive, changelog_end)
        else:
            changelog_end = await read_changelog(store, changelog)
    async with PartitionReader(bootstrap, topics.journal.name, partition) as records:
        recovered = await redo(store, records, journal.end - 1)
    chain = recovered.chain
    if chain.rules_version != RULES_VERSION:
        raise Misconfigured(
            f"partition {partition} is decided by rules {chain.rules_version}; this release has"
            f" {RULES_VERSION}"
        )
    if latest is not None and latest.seq > chain.seq:
        raise LogBetrayed(
            f"the archive of partition {partition} is ahead of its journal"
            f" (seq {latest.seq} > {chain.seq}): Kafka lost records, run `treasury restore`"
        )
    async with PartitionReader(bootstrap, topics.inbound.name, partition) as inbound:
        await check_inbound(chain, inbound)
    return TakenOver(recovered, changelog_end, None if sources.changelog_forgets else foreign)


async def _rows_of_archive(
    partition: int, store: PartitionStore, archive: asyncpg.Pool, changelog_end: int
) -> list[bytes]:
    """The archive's last images, and a checkpoint at its last record if the journal has that.

    Returns the keys of rows that the store, read from the changelog, had and the archive has not.
    """
    read = {key for key, _ in store.scan(b"", b"")}
    async with snapshot(archive) as connection:
        latest = await last_record(connection, partition)
        if latest is None:
            raise LogBetrayed(
                f"partition {partition}: neither changelog nor archive has its rows; run"
                " `treasury topics` on a new cluster, `treasury restore` on one that lost its data"
            )
        offset = await archived_offset(connection, partition)
        await restore_rows(store, images_in(connection, partition))
    if offset >= 0:
        checkpoint = checkpoint_of(Chain.after(latest.bytes), offset)
        row = stored_value(latest.seq, CODEC.encode(checkpoint))
        store.write({CHECKPOINT_KEY: row}, changelog_end - 1)
    return [key for key in read if store.seq_of(key) < 0]


async def correct_changelog(
    store: PartitionStore,
    changelog: ChangelogWriter,
    taken: TakenOver,
    must_be_ours: MustBeOurs,
) -> None:
    """After rows came from the archive, write them to the changelog, so that it is right again.

    Else every later owner would read it twice in vain. Nothing to do after other recoveries.
    """
    must_be_ours()
    data = store.checkpoint()
    if taken.foreign is None or data is None:
        return
    checkpoint = CODEC.decode(data)
    gone = stored_value(checkpoint.seq, None)
    await changelog.append(dict.fromkeys(taken.foreign, gone))
    await changelog.append_all(_stored(store, must_be_ours))
    must_be_ours()
    await write_checkpoint(store, changelog, {}, checkpoint)


async def _stored(
    store: PartitionStore, must_be_ours: MustBeOurs
) -> AsyncIterator[tuple[bytes, bytes]]:
    for key, value in store.scan(b"", b""):
        must_be_ours()
        yield key, stored_value(store.seq_of(key), value)

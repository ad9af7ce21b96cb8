"""How a partition's rows come back: changelog, then journal up to our own claim, then proof.

Nothing here trusts an offset or a digest that it has not recomputed. What does not fit stops
the recovery with an error that names the command to run.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from streams.errors import Fenced, JournalBroken, LogBetrayed
from streams.journal import CODEC as JOURNAL
from streams.journal import NO_HASH, Batch, Chain, Claim, Genesis, Image, hash_of
from streams.kafka import PartitionReader, Record
from streams.signals import crash_here
from tables.checkpoint import CODEC, Checkpoint
from tables.memory import SYSTEM, SeenSegment
from tables.seen import Seen
from tables.store import PartitionStore
from tables.working_set import WorkingSet, row_hash

_DIGEST_MASK = (1 << 128) - 1


class DigestMismatch(JournalBroken):
    """The rows are not what the journal says they are: some rows are missing or stale."""


class ChangelogLost(LogBetrayed):
    """No checkpoint was found, and the journal was trimmed: its beginning cannot stand in for one.

    With a checkpoint that the journal contradicts, this is not raised: that is a loss of records.
    """


@dataclass
class Recovered:
    """A partition's state at its claim. `images` are those not yet in a checkpoint."""

    working: WorkingSet
    seen: Seen
    chain: Chain
    record_offset: int
    images: dict[bytes, tuple[int, bytes | None]] = field(default_factory=dict)


async def read_changelog(store: PartitionStore, reader: PartitionReader) -> int:
    """Bring the local rows up to the changelog's end, the greater sequence number winning.

    Returns the offset after the last record read. A local store that is ahead of the changelog
    belongs to a changelog that is gone: it is wiped and read again.
    """
    first, end = await reader.bounds()
    start = store.offset() + 1
    if start > end or (start < first and start > 0):
        store.wipe()
        start = 0
    async for records in reader.read_range(max(start, first), end):
        newest: dict[bytes, bytes] = {}
        for record in records:
            if record.key is None:
                continue
            before = newest.get(record.key)
            if before is None or before[:8] <= record.value[:8]:
                newest[record.key] = record.value
        fresh = {
            key: value
            for key, value in newest.items()
            if int.from_bytes(value[:8], "big") >= store.seq_of(key)
        }
        store.write(fresh, records[-1].offset)
        await asyncio.sleep(0)
    crash_here("S14")
    return end


async def redo(store: PartitionStore, reader: PartitionReader, claim_offset: int) -> Recovered:
    """Fold the journal from the checkpoint to our own claim on top of the stored rows."""
    checkpoint = _checkpoint(store)
    chain, start = await _start(checkpoint, reader)
    # Only now: beyond our claim, too, the record that a checkpoint names has to be there.
    if checkpoint is not None and checkpoint.journal_offset > claim_offset:
        raise Fenced("a newer owner has written a checkpoint beyond our claim")
    working = WorkingSet(store, digest=await _digest(store))
    recovered = Recovered(working, Seen(working.get), chain, start - 1)
    async for records in reader.read_range(start, claim_offset + 1):
        for record in records:
            accepted = chain.accept(record.value)
            if isinstance(accepted, Batch):
                working.redo(accepted.images)
                _keep(recovered, accepted.seq, accepted.images)
            if accepted is not None and not isinstance(accepted, Claim):
                recovered.record_offset = record.offset
        await asyncio.sleep(0)
    if working.digest != int.from_bytes(chain.digest, "big"):
        raise DigestMismatch(f"rows do not add up to the digest of seq {chain.seq}")
    _index_seen(recovered)
    return recovered


def _checkpoint(store: PartitionStore) -> Checkpoint | None:
    data = store.checkpoint()
    return None if data is None else CODEC.decode(data)


async def _start(checkpoint: Checkpoint | None, reader: PartitionReader) -> tuple[Chain, int]:
    """The chain as of the checkpoint, proven against its record, and the offset after that."""
    if checkpoint is None:
        return await _from_genesis(reader)
    record = await reader.read_one(checkpoint.journal_offset)
    if record is None or hash_of(record.value) != checkpoint.record_hash:
        raise LogBetrayed(
            f"the journal does not hold the record of checkpoint seq {checkpoint.seq}; if Kafka's"
            " data was lost or replaced, run `treasury restore`"
        )
    chain = Chain(
        checkpoint.claim_id,
        checkpoint.seq,
        checkpoint.next,
        checkpoint.record_hash,
        checkpoint.inbound_hash,
        checkpoint.digest,
        checkpoint.now_ms,
        checkpoint.rules_version,
    )
    return chain, checkpoint.journal_offset + 1


async def beginning(reader: PartitionReader) -> Record | None:
    """The first record of a journal that is no claim, if there is one.

    Where Kafka lost its data, those who tried to take over have left claims on nothing.
    """
    async for records in reader.read_range(*await reader.bounds()):
        for record in records:
            if not isinstance(JOURNAL.decode(record.value), Claim):
                return record
    return None


async def _from_genesis(reader: PartitionReader) -> tuple[Chain, int]:
    record = await beginning(reader)
    if record is None or not isinstance(JOURNAL.decode(record.value), Genesis):
        raise ChangelogLost(
            "no checkpoint was found and the journal does not begin with its genesis record; run"
            " `treasury topics` on a new cluster, `treasury restore` on one that lost its data"
        )
    chain = Chain()
    chain.accept(record.value)
    return chain, record.offset + 1


async def _digest(store: PartitionStore) -> int:
    total = 0
    for count, (key, value) in enumerate(store.scan(b"", b"")):
        total += row_hash(key, value)
        if count % 5_000 == 0:
            await asyncio.sleep(0)
    return total & _DIGEST_MASK


def _keep(recovered: Recovered, seq: int, images: list[Image]) -> None:
    for image in images:
        recovered.images[image.key] = (seq, image.value)


def _index_seen(recovered: Recovered) -> None:
    segments = recovered.working.scan(SeenSegment.prefix_of(SYSTEM), limit=1 << 30)
    for row in segments:
        assert isinstance(row, SeenSegment)
        recovered.seen.load(row)


async def check_inbound(chain: Chain, reader: PartitionReader) -> None:
    """See that the inbound log still holds what was decided last; raises `LogBetrayed`."""
    covered = chain.next.covered
    if chain.inbound_hash == NO_HASH:  # nothing of this log was decided yet
        _, end = await reader.bounds()
        if chain.next.offset <= end:
            return
        why = "ends before the first record that was to be decided on"
    elif (record := await reader.read_one(covered)) is None:
        why = "no longer holds the last record that was decided on"
    elif hash_of(record.value) != chain.inbound_hash:
        why = "holds another record than the one that was decided on"
    else:
        return
    raise LogBetrayed(
        f"the inbound log {why} (offset {covered}): after a loss of Kafka's data run"
        " `treasury restore`; to go on with a new inbound log, `treasury rebase`"
    )


async def restore_rows(
    store: PartitionStore, images: AsyncIterator[tuple[bytes, int, bytes | None]]
) -> None:
    """Fill an empty local store with the archive's last images: the last resort of recovery."""
    store.wipe()
    rows: dict[bytes, bytes] = {}
    async for key, seq, value in images:
        rows[key] = seq.to_bytes(8, "big") + (value or b"")
        if len(rows) == 5_000:
            store.write(rows, -1)
            rows = {}
    store.write(rows, -1)

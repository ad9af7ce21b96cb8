"""Reads back what the writers journaled: how much, when, and whether it is what was sent."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from compose.bench.report import BenchFailed
from compose.settings import Settings
from streams.journal import Batch, Chain
from streams.kafka import PartitionReader
from tables.checkpoint import CODEC as CHECKPOINTS
from tables.store import CHECKPOINT_KEY

SEQ_BYTES = 8  # before a stored row
POLL_S, CHECKPOINTED_WITHIN_S = 0.1, 30.0


@dataclass
class Decided:
    """Entries of events that came from outside, by status; their balances; their time span."""

    statuses: Counter[str] = field(default_factory=Counter)
    balances: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    emitted: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)
    """(milliseconds of the journal record, entries in it)."""

    @property
    def entries(self) -> int:
        """All of them: one per event that was sent."""
        return sum(self.statuses.values())

    def events_per_s(self) -> float:
        """Events by the time from the first record to the last, those of the first not counted."""
        spans = sorted(self.spans)
        seconds = (spans[-1][0] - spans[0][0]) / 1_000
        if not seconds:
            raise BenchFailed("too few events to tell a rate")
        return sum(count for _, count in spans[1:]) / seconds


async def read_journal(
    settings: Settings, starts: Mapping[int, int], ends: Mapping[int, int]
) -> Decided:
    """What became of the inbound records with start ≤ offset < end, by partition.

    Balances are of the whole journal. Raises `BenchFailed` when postings do not sum to zero.
    """
    decided = Decided()
    for partition in range(settings.partitions):
        wanted = starts.get(partition, 0), ends.get(partition, 0)
        async for record, ms in _batches(settings, partition):
            _count(record, ms, wanted, decided)
    for (tenant, _, asset), minor in _sums(decided.balances).items():
        if minor:
            raise BenchFailed(f"the postings of {tenant} in {asset} sum to {minor}")
    return decided


async def live_rows(settings: Settings) -> int:
    """How many rows there are: by the last image of each."""
    rows = 0
    for partition in range(settings.partitions):
        live: dict[bytes, bool] = {}
        async for record, _ in _batches(settings, partition):
            live |= {image.key: image.value is not None for image in record.images}
        rows += sum(live.values())
    return rows


async def _batches(settings: Settings, partition: int) -> AsyncIterator[tuple[Batch, int]]:
    """The micro-batches that count, each with the milliseconds of its Kafka record."""
    chain, topic = Chain(), settings.topics.journal.name
    async with PartitionReader(settings.kafka, topic, partition) as reader:
        first, end = await reader.bounds()
        async for records in reader.read_range(first, end):
            for found in records:
                record = chain.accept(found.value)
                if isinstance(record, Batch):
                    yield record, found.timestamp_ms


def _count(record: Batch, ms: int, wanted: tuple[int, int], decided: Decided) -> None:
    count = 0
    for entry in record.entries:
        for posting in entry.postings:
            decided.balances[entry.tenant_id, posting.account, posting.asset] += posting.minor
        if wanted[0] <= entry.offset < wanted[1] and entry.ingress != "internal":
            decided.emitted += len(entry.emitted)
            if entry.step == 0:
                decided.statuses[entry.status] += 1
                count += 1
    if count:
        decided.spans.append((ms, count))


def _sums(balances: Counter[tuple[str, str, str]]) -> Counter[tuple[str, str, str]]:
    sums: Counter[tuple[str, str, str]] = Counter()
    for (tenant, _, asset), minor in balances.items():
        sums[tenant, "", asset] += minor
    return sums


async def checkpointed(settings: Settings, ends: Mapping[int, int]) -> None:
    """Return when each changelog ends with a checkpoint at or after `ends`."""
    try:
        async with asyncio.timeout(CHECKPOINTED_WITHIN_S):
            for partition, wanted in ends.items():
                while await _remembered(settings, partition) < wanted:  # noqa: ASYNC110  it is read
                    await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise BenchFailed("the last checkpoint does not cover what was committed") from None


async def _remembered(settings: Settings, partition: int) -> int:
    """The inbound offset to which the partition's rows are in the changelog; -1 if none is."""
    topic = settings.topics.changelog.name
    async with PartitionReader(settings.kafka, topic, partition) as reader:
        _, end = await reader.bounds()
        last = await reader.read_one(end - 1)
    if last is None or last.key != CHECKPOINT_KEY:
        return -1  # one is being written just now
    return CHECKPOINTS.decode(last.value[SEQ_BYTES:]).next.offset

"""The relay role: what the journal emitted goes out, in order, again rather than not at all.

Reads the archive only. Misrouted events are sent on to their own partition. It keeps trying
through any outage and never skips; repeats bear the same ids.
"""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import NoReturn

import asyncpg
from aiokafka import AIOKafkaProducer
from nats.aio.client import Client

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.counters import RELAYED
from agents.roles.follow import Bookmark, follow_archive
from agents.roles.inlet import Inlet, abandon
from agents.roles.lease import Lease, Owner, Progress, run_leased
from agents.roles.outward import Outbound, Outward
from streams.errors import Misconfigured
from streams.inbound import Stamp, pack
from streams.journal import Batch, Entry
from streams.kafka import open_producer
from streams.partitioner import partition_of
from streams.signals import crash_here

ROLE = "relay"


class Relay:
    """Relays partitions; `run` one of it per partition, all over one NATS connection."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        archived: ArchiveProgress,
        owner: Owner,
        *,
        client: Client,
        inlet: Inlet,
        bootstrap: str,
        events_topic: str,
        partitions: int,
    ) -> None:
        self._pool = pool
        self._archived = archived
        self._owner = owner
        self._client = client
        self._inlet = inlet
        self._bootstrap = bootstrap
        self._events_topic = events_topic
        self._partitions = partitions

    async def run(self, partition: int) -> NoReturn:
        """Relay this partition whenever its lease is ours."""
        lease = Lease(self._pool, ROLE, partition, self._owner)
        await run_leased(lease, partial(self._follow, lease))

    async def _follow(self, lease: Lease, progress: Progress) -> None:
        # A producer that failed once stays broken: each start of this work has its own.
        producer = await open_producer(self._bootstrap)
        try:
            async with Outward(self._client, self._events_topic) as outward:
                await self._relay(lease, outward, producer, progress.seq)
        finally:
            await asyncio.shield(abandon(producer))

    async def _relay(
        self, lease: Lease, outward: Outward, producer: AIOKafkaProducer, seq: int
    ) -> None:
        bookmark = Bookmark(self._pool, lease, seq)
        async for records in follow_archive(self._pool, self._archived, lease.partition, seq):
            if not records:
                await bookmark.store()
                continue
            batches = [record for record in records if isinstance(record, Batch)]
            events = list(outbound(batches))
            try:
                await outward.publish(producer, events)
            except Exception:
                RELAYED.labels("failed").inc(len(events))
                raise
            RELAYED.labels("published").inc(len(events))
            await self._send_on(lease.partition, batches)
            crash_here("S12")
            await bookmark.move(records[-1].seq)

    async def _send_on(self, partition: int, batches: Iterable[Batch]) -> None:
        for batch in batches:
            for entry in batch.entries:
                if entry.status == "misrouted":
                    await self._to_its_own(partition, entry)

    async def _to_its_own(self, partition: int, entry: Entry) -> None:
        own = partition_of(entry.tenant_id, self._partitions)
        if own == partition:
            raise Misconfigured(
                f"an event misrouted in partition {partition} belongs there, if there are "
                f"{self._partitions} partitions: the writer had another number"
            )
        await self._inlet.append(own, stamp=Stamp(entry.ingress), value=pack([entry.raw]))


def outbound(batches: Iterable[Batch]) -> Iterable[Outbound]:
    """The events that these records emitted, in order."""
    for batch in batches:
        for entry in batch.entries:
            for event in entry.emitted:
                yield Outbound(event, entry.tenant_id, entry.now_ms)

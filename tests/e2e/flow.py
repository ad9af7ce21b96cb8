"""Events that come all the time while something happens, and the sign that they are decided."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents.roles.outages import uninterrupted
from tables.postgres.archived import last_record
from tables.postgres.pool import open_pool
from tests.e2e.cluster import Cluster

SLICE, PACE_S, PARTS_LEFT = 60, 0.5, 40
GOES_ON_WITHIN_S = 60.0


@asynccontextmanager
async def flowing(cluster: Cluster) -> AsyncIterator[None]:
    """Events come all the time while the block runs, and what is left of the load after it."""
    assert cluster.load is not None
    messages, over = list(cluster.load.messages), asyncio.Event()

    async def flow() -> None:
        while messages and not over.is_set():
            # Thinner towards its end, so that a slow machine is not left without any.
            count = max(1, min(SLICE, len(messages) // PARTS_LEFT))
            some, messages[:count] = messages[:count], []
            await cluster.publish(some)
            await asyncio.sleep(PACE_S)
        assert over.is_set(), "the load is too small for what the test does"

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(uninterrupted(flow()))
        yield
        over.set()
    await cluster.publish(messages)


async def archived_seqs(cluster: Cluster) -> list[int]:
    """The last archived record of each partition."""
    pool = await open_pool(cluster.settings.archiver_dsn, max_size=1)
    try:
        partitions = range(cluster.settings.partitions)
        return [(await last_record(pool, partition)).seq for partition in partitions]
    finally:
        await pool.close()


async def goes_on(cluster: Cluster) -> None:
    """Return when every partition has decided and archived something from now on, in its time."""
    before = await archived_seqs(cluster)
    async with asyncio.timeout(GOES_ON_WITHIN_S):
        while any(
            now <= seq for now, seq in zip(await archived_seqs(cluster), before, strict=True)
        ):
            await asyncio.sleep(0.2)

"""The workers as a group: who serves what, what they have committed, who is frozen or ends."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from typing import Final

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.e2e.cluster import PATIENCE_S, Cluster

QUICK: Final = {"TREASURY_SESSION_TIMEOUT_S": "5", "TREASURY_HEARTBEAT_INTERVAL_S": "1"}
"""The environment of workers that are missed soon."""


async def serves(url: str, count: int) -> None:
    """Return when the worker serves so many partitions."""
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        while len(await _served(session, url)) != count:
            await asyncio.sleep(0.1)


async def share(cluster: Cluster, workers: Collection[int]) -> None:
    """Return when these workers serve all partitions, each some and none together."""
    everything = list(range(cluster.settings.partitions))
    urls = [cluster.running.urls[worker] for worker in workers]
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        while True:
            served = [await _served(session, url) for url in urls]
            if all(served) and sorted(chain(*served)) == everything:
                return
            await asyncio.sleep(0.1)


async def _served(session: aiohttp.ClientSession, url: str) -> list[int]:
    """What the worker serves now; empty when it does not answer."""
    try:
        async with session.get(f"{url}/readyz", timeout=aiohttp.ClientTimeout(total=2)) as answer:
            found = await answer.json()
    except (aiohttp.ClientError, TimeoutError):
        return []
    return [each["partition"] for each in found["partitions"] if each["state"] == "serving"]


async def frozen(cluster: Cluster, worker: int) -> None:
    """Return when the worker has stopped itself at the seam it was given."""
    async with asyncio.timeout(PATIENCE_S):
        while not _is_frozen(cluster.pid(worker)):
            await asyncio.sleep(0.05)


def _is_frozen(child: int) -> bool:
    """Looked at without a wait, and left for the child's supervisor to see as well."""
    return os.waitid(os.P_PID, child, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None


async def told_to_end_where_it_sleeps(cluster: Cluster, worker: int) -> int | None:
    """SIGTERM a frozen worker and wake it; its exit code, which a killed one does not have as 0.

    A worker gives itself 19 s to end, and its supervisor 20 s.
    """
    supervisor = cluster.running.supervisors[worker]
    for number in (signal.SIGTERM, signal.SIGCONT):
        os.kill(cluster.pid(worker), number)
    await supervisor.stop()
    return supervisor._process.exit_code


@asynccontextmanager
async def group_of(
    cluster: Cluster,
) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    """The workers' group as an onlooker sees it, and the partitions of the inbound log."""
    settings = cluster.settings
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, group_id=settings.prefix, enable_auto_commit=False
    )
    name = settings.topics.inbound.name
    partitions = [TopicPartition(name, number) for number in range(settings.partitions)]
    await consumer.start()
    consumer.assign(partitions)
    try:
        yield consumer, partitions
    finally:
        await consumer.stop()


async def committed_offsets(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """The offset the group would go on at, of each partition."""
    return {each: await consumer.committed(each) or 0 for each in partitions}

"""Who serves which partitions, and workers that are frozen or told to end."""

import asyncio
import os
import signal
from collections.abc import Collection
from itertools import chain
from typing import Final

import aiohttp

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

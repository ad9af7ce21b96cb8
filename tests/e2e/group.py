"""Who serves which partitions, and workers that are frozen or come and go."""

import asyncio
import os

import aiohttp

from tests.e2e.cluster import PATIENCE_S, Cluster


async def serves(url: str, count: int) -> None:
    """Return when the worker serves so many partitions."""
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        while len(await _partitions(session, url)) != count:
            await asyncio.sleep(0.1)


async def _partitions(session: aiohttp.ClientSession, url: str) -> list[int]:
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

"""Readers that ask every worker all the time, and must never be told an older balance again."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any, Self

import aiohttp

from tests.e2e.cluster import Cluster

ASK_EVERY_S, WITHIN_S = 0.05, 60.0
TENANTS, OPEN = 12, 2
Key = tuple[str, str, str]


class Watch:
    """Asks for balances while the block runs; what an account ever took and gave only grows.

    A question is not waited for before the next one: those that a frozen worker was asked are
    answered, or not, when it wakes. No answer may be older than what anybody was told before the
    question was asked. Workers `asleep` are not asked: they would first hear the oldest questions,
    which can tell least, and may not live to hear the others.
    """

    def __init__(self, cluster: Cluster, dice: random.Random) -> None:
        assert cluster.load is not None
        self.answers = 0
        self.asleep: set[str] = set()
        self.regressed: list[str] = []
        self._cluster, self._dice = cluster, dice
        self._tenants = [tenant.tenant_id for tenant in cluster.load.tenants[:TENANTS]]
        self._told: defaultdict[Key, tuple[Decimal, Decimal]] = defaultdict(_nothing)
        self._open: defaultdict[str, set[asyncio.Task[None]]] = defaultdict(set)
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        limits = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=WITHIN_S)
        session = aiohttp.ClientSession(connector=limits, timeout=timeout)
        self._session = await self._exit.enter_async_context(session)
        self._asking = asyncio.create_task(self._ask_for_ever())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._asking.cancel()
        await asyncio.gather(self._asking, return_exceptions=True)
        still_open = list(chain(*self._open.values()))
        for question in still_open:
            question.cancel()
        await asyncio.gather(*still_open, return_exceptions=True)
        await self._exit.aclose()

    def ask_of_all(self, url: str) -> Awaitable[Any]:
        """Ask the worker for every tenant now; done when it has answered or is gone."""
        return asyncio.gather(*(self._begin(url, tenant_id) for tenant_id in self._tenants))

    def _begin(self, url: str, tenant_id: str) -> asyncio.Task[None]:
        question = asyncio.create_task(self._ask(url, tenant_id))
        self._open[url].add(question)
        question.add_done_callback(partial(self._over, url))
        return question

    def _over(self, url: str, question: asyncio.Task[None]) -> None:
        self._open[url].discard(question)
        if not question.cancelled() and question.exception() is not None:
            self.regressed.append(repr(question.exception()))

    async def _ask_for_ever(self) -> None:
        while True:
            for url in self._cluster.running.urls:
                if url not in self.asleep and len(self._open[url]) < OPEN:
                    self._begin(url, self._dice.choice(self._tenants))
            await asyncio.sleep(ASK_EVERY_S)

    async def _ask(self, url: str, tenant_id: str) -> None:
        known = {key: sums for key, sums in self._told.items() if key[0] == tenant_id}
        headers = {"Authorization": f"Bearer {self._cluster.running.token(tenant_id)}"}
        with suppress(aiohttp.ClientError, TimeoutError):
            path = f"{url}/api/v1/{tenant_id}/balances"
            async with self._session.get(path, headers=headers) as answer:
                if answer.status == 200:
                    self._compare(url, tenant_id, known, await answer.json())

    def _compare(self, url: str, tenant_id: str, known: dict[Key, Any], answer: Any) -> None:
        found = defaultdict(_nothing)
        for row in answer["data"]:
            key = (tenant_id, row["account"], row["currency"])
            found[key] = (Decimal(row["debits"]["amount"]), Decimal(row["credits"]["amount"]))
        for key, (debits, credited) in known.items():
            if found[key][0] < debits or found[key][1] < credited:
                self.regressed.append(f"{url} {key}: {found[key]} after {debits}, {credited}")
        for key, (debits, credited) in found.items():
            before = self._told[key]
            self._told[key] = (max(debits, before[0]), max(credited, before[1]))
        self.answers += 1


def _nothing() -> tuple[Decimal, Decimal]:
    return Decimal(0), Decimal(0)

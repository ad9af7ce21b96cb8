"""Services go away, and the network between is slow, cut or silent: only time is lost."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from agents.roles.process import EXIT_FATAL, EXIT_FENCED
from compose.local.kafka import ApacheKafka
from compose.local.processes import Command, free_port
from compose.up import Local
from streams.journal import Chain
from streams.kafka import PartitionReader
from tests.e2e.cluster import Altered, Cluster, seed_of_run
from tests.e2e.flow import flowing, goes_on
from tests.e2e.group import committed_offsets, group_of
from tests.e2e.proxy import DOWN, UP, Proxy

pytestmark = pytest.mark.kafka

TENANTS = 40  # so that every partition has some
EVENTS_A_MINUTE = 8_000
SLOW_S = 0.3
MAY_END = {EXIT_FATAL, EXIT_FENCED}
"""A worker that cannot know what became of an append ends, and finds out when it comes back."""


# -- a service is away -----------------------------------------------------------------------------


async def _kafka_away(cluster: Cluster, seconds: float) -> None:
    kafka = cluster.running.stack.kafka
    await kafka.kill()
    await asyncio.sleep(seconds)
    await kafka.start()


async def _nats_away(cluster: Cluster, seconds: float) -> None:
    server = cluster.running.stack.nats
    await server.kill()
    await asyncio.sleep(seconds)
    await server.start()


async def _postgres_away(cluster: Cluster, seconds: float) -> None:
    server = cluster.running.stack.postgres
    await server.stop(immediate=True)
    await asyncio.sleep(seconds)
    await server.start()


AWAY: Mapping[str, Callable[[Cluster, float], Awaitable[None]]] = {
    "kafka": _kafka_away,
    "nats": _nats_away,
    "postgres": _postgres_away,
}


async def _outages(home: Path, plan: Sequence[tuple[str, float]]) -> None:
    seed = seed_of_run()
    async with Cluster(home) as cluster:
        minutes = 1 + sum(seconds + 30 for _, seconds in plan) / 60
        load = cluster.generate(seed, int(EVENTS_A_MINUTE * minutes), tenants=TENANTS)
        async with flowing(cluster):
            for name, seconds in plan:
                began = time.monotonic()
                await AWAY[name](cluster, seconds)
                await goes_on(cluster)
                print(f"{name} away for {seconds} s, all is well {time.monotonic() - began:.1f} s")
        assert set(cluster.running.supervisors[0].codes) <= MAY_END
        await cluster.pay(load.stories)
        assert await cluster.differences() == []


# -- the network between ---------------------------------------------------------------------------


class AdvertisesProxy(ApacheKafka):
    """A broker with a second listener, which it advertises at a proxy's port."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._listens_at = free_port()
        self.proxy = Proxy(self._listens_at)

    def _write_settings(self) -> Path:
        path = super()._write_settings()
        more = {
            "listeners=": f",PROXIED://127.0.0.1:{self._listens_at}",
            "advertised.listeners=": f",PROXIED://127.0.0.1:{self.proxy.port}",
            "listener.security.protocol.map=": ",PROXIED:PLAINTEXT",
        }
        lines = path.read_text().splitlines()
        for start, rest in more.items():
            lines = [line + rest if line.startswith(start) else line for line in lines]
        path.write_text("\n".join([*lines, "inter.broker.listener.name=PLAINTEXT", ""]))
        return path


class FarAway(Altered):
    """An installation whose workers reach every service through a proxy."""

    def __init__(self, local: Local, environment: Mapping[str, str]) -> None:
        super().__init__(local, environment)
        kafka, stack = AdvertisesProxy(local.home / "stack" / "kafka"), self.stack
        stack.kafka = kafka
        self.proxies = {
            "kafka": kafka.proxy,
            "nats": Proxy(stack.nats.port),
            "postgres": Proxy(stack.postgres.port),
        }
        self._ports = {
            f":{port}": f":{proxy.port}"
            for port, proxy in zip(
                (kafka.port, stack.nats.port, stack.postgres.port),
                self.proxies.values(),
                strict=True,
            )
        }

    async def __aenter__(self) -> Self:
        for proxy in self.proxies.values():
            await proxy.start()
            self._exit.push_async_callback(proxy.stop)
        return await super().__aenter__()

    def command(self, number: int) -> Command:
        plain = super().command(number)
        environment = dict(plain.environment)
        for name in ("TREASURY_KAFKA", "TREASURY_NATS", "TREASURY_POSTGRES_DSN"):
            for port, proxied in self._ports.items():
                environment[name] = environment[name].replace(port, proxied)
        return replace(plain, environment=environment)


class FarCluster(Cluster):
    installation = FarAway


async def _slow(proxy: Proxy, seconds: float) -> None:
    proxy.delay_s = SLOW_S
    await asyncio.sleep(seconds)
    proxy.heal()


async def _deaf(proxy: Proxy, seconds: float) -> None:
    """What the worker says does not arrive."""
    proxy.cut(UP)
    await asyncio.sleep(seconds)
    proxy.heal()


async def _dumb(proxy: Proxy, seconds: float) -> None:
    """What the worker is answered does not arrive."""
    proxy.cut(DOWN)
    await asyncio.sleep(seconds)
    proxy.heal()


async def _hung_up(proxy: Proxy, seconds: float) -> None:
    """Every connection is reset, and again when it has come back."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        proxy.hang_up()
        await asyncio.sleep(0.5)


async def _half_open(proxy: Proxy, seconds: float) -> None:
    """Connections are there and nothing passes; then all of them are reset."""
    proxy.cut(UP, DOWN)
    await asyncio.sleep(seconds)
    proxy.hang_up()
    proxy.heal()


FAULTS = (_slow, _deaf, _dumb, _hung_up, _half_open)


async def _faults(home: Path, seconds: Sequence[float], rounds: int) -> None:
    seed = seed_of_run()
    dice = random.Random(seed)
    async with FarCluster(home) as cluster:
        proxies = cluster.running.proxies
        plan = [
            (name, fault, each_s)
            for name in proxies
            for fault, each_s in zip(FAULTS, seconds, strict=True)
        ] * rounds
        dice.shuffle(plan)
        minutes = 1 + sum(each_s + 20 for _, _, each_s in plan) / 60
        load = cluster.generate(seed, int(EVENTS_A_MINUTE * minutes), tenants=TENANTS)
        async with flowing(cluster):
            for name, fault, each_s in plan:
                began = time.monotonic()
                await fault(proxies[name], each_s)
                await _no_offset_without_its_record(cluster)
                await goes_on(cluster)
                all_s = time.monotonic() - began
                print(f"{name} {fault.__name__} for {each_s} s, all is well {all_s:.1f} s")
        print({name: proxy.taken for name, proxy in proxies.items()}, "connections")
        assert all(proxy.taken for proxy in proxies.values())
        assert set(cluster.running.supervisors[0].codes) <= MAY_END
        await cluster.pay(load.stories)
        assert await cluster.differences() == []


async def _no_offset_without_its_record(cluster: Cluster) -> None:
    """What the group has committed is decided in the journal, whatever was in between."""
    settings = cluster.settings
    async with group_of(cluster) as (consumer, partitions):
        committed = await committed_offsets(consumer, partitions)
    for topic_partition, offset in committed.items():
        name, partition = settings.topics.journal.name, topic_partition.partition
        async with PartitionReader(settings.kafka, name, partition) as reader:
            chain = Chain()
            async for records in reader.read_range(*await reader.bounds()):
                for record in records:
                    chain.accept(record.value)
        assert chain.next.offset >= offset, f"partition {partition}: {offset} is not decided"


class TestOutages:
    @pytest.mark.timeout(1_200)
    async def test_cost_time_only(self, home):
        plan = [("kafka", 1), ("postgres", 10), ("nats", 5), ("kafka", 10), ("postgres", 1)]
        await _outages(home, plan)

    @pytest.mark.long
    @pytest.mark.timeout(3_600)
    async def test_of_minutes_cost_time_only(self, home):
        await _outages(home, [("kafka", 60), ("nats", 60), ("postgres", 120), ("nats", 300)])


class TestTheNetwork:
    @pytest.mark.timeout(1_200)
    async def test_costs_time_only(self, home):
        await _faults(home, (5, 4, 4, 2, 12), rounds=1)

    @pytest.mark.long
    @pytest.mark.timeout(3_600)
    async def test_costs_time_only_for_long(self, home):
        await _faults(home, (20, 20, 20, 10, 30), rounds=3)

"""Hostile senders on two workers: copies, stolen ids, poison, wrong dates, forgeries."""

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.inbound import Signer, Stamp
from streams.kafka import open_producer
from streams.partitioner import partition_of
from tests.agents.core import envelope
from tests.e2e.cluster import Cluster, both, seed_of_run
from tests.model.generator import Load, Message
from tests.model.hostile import Hostile

pytestmark = pytest.mark.kafka

TENANTS = 12
OFFLINE_MS = 9 * 24 * 3600 * 1000
"""Longer than any id is remembered: such a sale waits for what the archive knows."""
FORGERIES_A_TENANT = 3
OURS = ("treasury.call.granted", "treasury.call.completed", "treasury.lookup.answered")
FORBIDDEN = "ingress_not_allowed"


class Forger:
    """Writes into the inbound log of Kafka what only we may say, with every kind of wrong stamp."""

    def __init__(self, cluster: Cluster, load: Load, dice: random.Random) -> None:
        self._settings, self._dice = cluster.settings, dice
        self._tenants = [tenant.tenant_id for tenant in load.tenants]
        self._cluster = cluster

    async def forge(self) -> None:
        """Append all forgeries, a few at a time, while other things happen."""
        producer = await open_producer(self._settings.kafka)
        name = self._settings.topics.inbound.name
        forged = []
        for number, message in enumerate(self._messages()):
            partition = partition_of(message.tenant_id, self._settings.partitions)
            headers = self._wrong_headers(number, partition, message.raw)
            await producer.send_and_wait(name, message.raw, partition=partition, headers=headers)
            forged.append(message)
            await asyncio.sleep(self._dice.uniform(0, 0.1))
        await producer.stop()
        self._cluster.remember(forged, over_nats=False)

    def _messages(self) -> Iterator[Message]:
        number = 0
        for tenant_id in self._tenants:
            for _ in range(FORGERIES_A_TENANT):
                number += 1
                kind = self._dice.choice(OURS)
                data = {"call_id": f"guessed-{number}", "nonce": "n", "outcome": "succeeded"}
                raw = envelope(
                    kind,
                    tenant_id,
                    data,
                    event_id=f"forged-{number}",
                    timestamp_ms=time.time_ns() // 1_000_000,
                )
                yield Message(-number, kind, raw, 0, tenant_id, FORBIDDEN)

    def _wrong_headers(self, number: int, partition: int, value: bytes):
        """None; another key's signature; our signature of other bytes; of another partition."""
        ours = Signer(self._settings.derived_key("inbound"))
        stamp = Stamp("internal")
        kinds = (
            (),
            Signer(b"a key that somebody else has made").headers(stamp, partition, value),
            ours.headers(stamp, partition, value + b" "),
            ours.headers(stamp, (partition + 1) % self._settings.partitions, value),
        )
        return list(kinds[number % len(kinds)])


async def _come_to_nothing(home: Path, events: int) -> None:
    seed = seed_of_run()
    dice = random.Random(seed)
    async with Cluster(home, workers=2) as cluster:
        load = cluster.generate(seed, events, tenants=TENANTS)
        old_ms = time.time_ns() // 1_000_000 - OFFLINE_MS
        stream = Hostile(load, seed, old_ms=old_ms).stream()
        print(f"{len(stream):,} messages of {events:,} events")
        await both(cluster.publish(stream), Forger(cluster, load, dice).forge())
        for number, url in enumerate(cluster.running.urls):
            await cluster.pay(load.stories[number::2], url)
        assert await cluster.differences() == []


class TestHostileSenders:
    @pytest.mark.timeout(900)
    async def test_come_to_nothing(self, home):
        await _come_to_nothing(home, 3_000)

    @pytest.mark.long
    @pytest.mark.timeout(3_600)
    async def test_of_a_large_load_come_to_nothing(self, home):
        await _come_to_nothing(home, 30_000)

"""Workers fall asleep in the middle of things, are replaced, and wake: what comes then is void."""

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from agents.roles.process import EXIT_FATAL, EXIT_FENCED
from streams.journal import CODEC, Batch, Claim
from streams.kafka import PartitionReader, Record
from streams.signals import SEAMS
from tables.store import CHECKPOINT_KEY
from tests.e2e.cluster import PATIENCE_S, Cluster, seed_of_run
from tests.e2e.group import QUICK, frozen, serves
from tests.e2e.watching import Watch
from tests.model.generator import Message

pytestmark = pytest.mark.kafka

TENANTS = 40  # so that every partition has some
SLICE, WHILE_ASLEEP, EVENTS_A_SLEEP = 30, 500, 2_000
PRODUCERS_PATIENCE_S = 15.0
"""A worker that sleeps longer gives up what it was sending, which is as good as not to count."""


class Sleeps:
    """Puts workers to sleep at seams, by turns; what one wakes to, the other has decided."""

    def __init__(self, cluster: Cluster, watch: Watch) -> None:
        assert cluster.load is not None
        self._cluster, self._watch = cluster, watch
        self._messages = list(cluster.load.messages)

    async def at(self, worker: int, seam: str, passes: int) -> float:
        """The worker freezes there, is replaced, wakes, and ends itself; seconds it slept."""
        cluster, urls = self._cluster, self._cluster.running.urls
        print(f"worker {worker} sleeps at {seam}:{passes}, {SEAMS[seam]}")
        await cluster.restart({"TREASURY_STOP_AT": f"{seam}:{passes}"}, worker)
        cluster.use({}, worker)
        await self._lead_to_sleep(worker)
        self._watch.asleep = {urls[worker]}
        began, sleeper = time.monotonic(), cluster.pid(worker)
        await serves(urls[1 - worker], 4)
        await self._remembered(self._next(WHILE_ASLEEP))
        await self._watch.ask_of_all(urls[1 - worker])
        questions = self._watch.ask_of_all(urls[worker])
        codes = cluster.running.supervisors[worker].codes
        deaths = len(codes)
        os.kill(sleeper, signal.SIGCONT)
        slept_s = time.monotonic() - began
        await cluster.died(worker, since=deaths)
        await questions
        self._watch.asleep = set()
        expected = {EXIT_FENCED} if slept_s < PRODUCERS_PATIENCE_S else _GAVE_UP
        assert codes[deaths] in expected, (slept_s, cluster.last_words(worker))
        for url in urls:
            await serves(url, 2)
        return slept_s

    async def rest(self) -> None:
        """Publish what is left; done when no owner has yet to find that a sleeper wrote beside it.

        That one ends itself at its next checkpoint, and a payment must not be caught in that.
        """
        await self._remembered(self._next(WHILE_ASLEEP))
        await self._cluster.publish(self._messages)

    async def _remembered(self, messages: Sequence[Message]) -> None:
        """Publish; done when every partition has decided some of it and stored a checkpoint."""
        settings = self._cluster.settings
        owners = [Follower(self._cluster, partition) for partition in range(settings.partitions)]
        await asyncio.gather(*(owner.begin() for owner in owners))
        await self._cluster.publish(messages)
        await asyncio.gather(*(owner.remembers_something_new() for owner in owners))

    async def _lead_to_sleep(self, worker: int) -> None:
        asleep = asyncio.create_task(frozen(self._cluster, worker))
        while not asleep.done():
            await self._cluster.publish(self._next(SLICE))
            await asyncio.wait({asleep}, timeout=0.5)
        await asleep

    def _next(self, count: int) -> Sequence[Message]:
        assert len(self._messages) >= count, "the load is too small for what the test does"
        some, self._messages[:count] = self._messages[:count], []
        return some


class Follower:
    """What the new owner of a partition does from now on."""

    def __init__(self, cluster: Cluster, partition: int) -> None:
        self._bootstrap, self._partition = cluster.settings.kafka, partition
        topics = cluster.settings.topics
        self._journal, self._changelog = topics.journal.name, topics.changelog.name

    async def begin(self) -> None:
        self._since = {topic: await self._end(topic) for topic in (self._journal, self._changelog)}

    async def remembers_something_new(self) -> None:
        """Return when it has decided what came over NATS and stored a checkpoint of that."""
        async with asyncio.timeout(PATIENCE_S):
            while not (decided := await self._decided()):
                await asyncio.sleep(0.1)
            while await self._checkpointed() < decided[0]:
                await asyncio.sleep(0.1)

    async def _decided(self) -> list[int]:
        batches = [CODEC.decode(record.value) for record in await self._read(self._journal)]
        return [
            batch.seq
            for batch in batches
            if isinstance(batch, Batch) and any(entry.ingress == "nats" for entry in batch.entries)
        ]

    async def _checkpointed(self) -> int:
        rows = [row for row in await self._read(self._changelog) if row.key == CHECKPOINT_KEY]
        return int.from_bytes(rows[-1].value[:8], "big") if rows else -1

    async def _end(self, topic: str) -> int:
        async with PartitionReader(self._bootstrap, topic, self._partition) as reader:
            return (await reader.bounds())[1]

    async def _read(self, topic: str) -> list[Record]:
        async with PartitionReader(self._bootstrap, topic, self._partition) as reader:
            _, end = await reader.bounds()
            pieces = [piece async for piece in reader.read_range(self._since[topic], end)]
        return [record for piece in pieces for record in piece]


_GAVE_UP = {EXIT_FENCED, EXIT_FATAL}


async def _records(cluster: Cluster, topic: str) -> list[list[Record]]:
    """All records of the topic, by partition."""
    found = []
    for partition in range(cluster.settings.partitions):
        async with PartitionReader(cluster.settings.kafka, topic, partition) as reader:
            pieces = [piece async for piece in reader.read_range(*await reader.bounds())]
            found.append([record for piece in pieces for record in piece])
    return found


async def _late_batches(cluster: Cluster) -> int:
    """Batches that stand behind a newer claim than theirs."""
    late = 0
    for records in await _records(cluster, cluster.settings.topics.journal.name):
        claim = b""
        for record in map(CODEC.decode, (each.value for each in records)):
            if isinstance(record, Claim):
                claim = record.claim_id
            late += isinstance(record, Batch) and record.claim_id != claim
    return late


async def _late_rows(cluster: Cluster) -> int:
    """Rows of the changelog that stand behind a newer version of themselves."""
    late = 0
    for records in await _records(cluster, cluster.settings.topics.changelog.name):
        newest: dict[bytes | None, bytes] = {}
        for record in records:
            seq = record.value[:8]
            late += seq < newest.get(record.key, b"")
            newest[record.key] = max(seq, newest.get(record.key, b""))
    return late


async def _read_all_again(cluster: Cluster) -> None:
    """Both workers come back with nothing but the changelog, late rows and all."""
    for supervisor in cluster.running.supervisors:
        await supervisor.stop()
    for worker in range(2):
        shutil.rmtree(cluster.running.settings(worker).data_dir)
    for supervisor in cluster.running.supervisors:
        await supervisor.start()
    await cluster.running.ready(PATIENCE_S)
    assert not any("recovery_reads" in cluster.log(worker) for worker in range(2))


async def _sleeps(home: Path, plan: Sequence[tuple[str, int]], seed: int) -> None:
    dice = random.Random(seed)
    async with Cluster(home, workers=2, environment=QUICK) as cluster:
        load = cluster.generate(seed, EVENTS_A_SLEEP * len(plan), tenants=TENANTS)
        slept: dict[str, float] = {}
        async with Watch(cluster, dice) as watch:
            sleeps = Sleeps(cluster, watch)
            for number, (seam, passes) in enumerate(plan):
                slept_s = await sleeps.at(number % 2, seam, passes)
                slept[seam] = min(slept_s, slept.get(seam, slept_s))
            await sleeps.rest()
        print(f"{watch.answers} answers; slept {slept}")
        assert watch.regressed == []
        assert watch.answers > 100
        await cluster.pay(load.stories)
        assert await cluster.differences() == []
        assert await _late_batches(cluster) > 0
        assert await _late_rows(cluster) > 0
        await _read_all_again(cluster)
        assert await cluster.differences() == []


class TestZombies:
    @pytest.mark.timeout(1_200)
    async def test_that_sleep_in_a_batch_or_a_checkpoint_by_turns_do_not_count(self, home):
        seed = seed_of_run()
        dice = random.Random(seed)
        plan = [
            (seam, dice.randint(1, passes))
            for seam, passes in [("S5", 40), ("S8", 3), ("S6", 3), ("S10", 3)]
        ]
        await _sleeps(home, plan, seed)

    @pytest.mark.long
    @pytest.mark.timeout(3_600)
    async def test_of_many_sleeps_no_one_counts(self, home):
        seed = seed_of_run()
        dice = random.Random(seed)
        seams = ["S4", "S5", "S5", "S6", "S7", "S8", "S9", "S10"] * 4
        dice.shuffle(seams)
        await _sleeps(home, [(seam, dice.randint(1, 3)) for seam in ["S5", "S10", *seams]], seed)

"""A throw-away installation on Apache Kafka for one bench: started, watched, measured, removed.

Its workers are the product's own processes; the bench sees them as anybody does: by what they
append to Kafka, answer over HTTP and use of the machine.
"""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from compose.bench.load import PARTITIONS, Records, count_of, fill
from compose.bench.report import BenchFailed, cpu_s, rss_mib
from compose.local.accounts import temporary_folder
from compose.up import Local, Running
from streams.inbound import Signer

POLL_S = 0.1
GONE_POLL_S = 0.005
SLOWEST_EVENTS_PER_S = 500
PATIENCE_S = 120.0
UNARCHIVED_BYTES = 1 << 40  # a writer without an archive must not wait for it


@dataclass(frozen=True)
class Taken:
    """Inbound records that were decided: start ≤ offset < end by partition, and their cost."""

    starts: dict[int, int]
    ends: dict[int, int]
    cpu_s: float


class Installation:
    """An installation whose workers must not end by themselves while it is measured."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.settings = running.settings()
        self.signer = Signer(self.settings.derived_key("inbound"))
        self._ended = 0

    @property
    def broker(self) -> str:
        """The broker's name and version."""
        return self.running.stack.kafka.version

    @property
    def pids(self) -> list[int]:
        """The workers' processes. Raises `BenchFailed` when one has ended by itself."""
        self.must_be_whole()
        return [each.pid for each in self.running.supervisors if each.pid is not None]

    def must_be_whole(self) -> None:
        """Raise `BenchFailed` when a worker has ended by itself: what follows is no steady time."""
        codes = [code for each in self.running.supervisors for code in each.codes]
        if len(codes) > self._ended:
            raise BenchFailed(f"workers ended with {codes}\n{self.logs()}")

    def logs(self) -> str:
        """The last lines of every worker's log."""
        commands = [each.command for each in self.running.supervisors]
        return "\n".join(
            f"{command.name}: {line}"
            for command in commands
            for line in command.log_path.read_text(errors="replace").splitlines()[-20:]
        )

    def rss_mib(self) -> float | None:
        """The memory of the largest worker."""
        found = [rss for pid in self.pids if (rss := rss_mib(pid)) is not None]
        return max(found, default=None)

    def cpu_s(self) -> float:
        """Processor time of all workers so far, in seconds."""
        return sum(cpu_s(pid) for pid in self.pids)

    async def shared(self) -> None:
        """Return when every worker serves its share of the partitions."""
        await self._until(all)

    async def serving(self) -> None:
        """Return when all partitions are served, by whomever."""
        await self._until(any)

    async def take(self, records: Records) -> Taken:
        """Append these to inbound while the workers stand still; return when all are committed.

        It is the group's offsets that tell, and those follow the journal.
        """
        settings, count = self.settings, count_of(records)
        topic = settings.topics.inbound.name
        starts = await ends_of(settings.kafka, topic, settings.partitions)
        used_s = self.cpu_s()
        with frozen(self.pids):
            ends = await fill(settings.kafka, topic, records)
        await self.decided(ends, count)
        return Taken(starts, ends, self.cpu_s() - used_s)

    async def decided(self, ends: Mapping[int, int], events: int) -> None:
        """Return when the group has committed all inbound before `ends`: it is in the journal."""
        settings = self.settings
        group, topic = settings.prefix, settings.topics.inbound.name
        await consumed(settings.kafka, group, topic, ends, events=events, check=self.must_be_whole)

    def kill(self) -> None:
        """SIGKILL every worker; their supervisors start them again."""
        pids = self.pids
        self._ended += len(pids)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    async def gone(self) -> None:
        """Return when those that were killed have ended."""
        supervisors = self.running.supervisors
        async with asyncio.timeout(PATIENCE_S):
            while sum(len(each.codes) for each in supervisors) < self._ended:  # noqa: ASYNC110
                await asyncio.sleep(GONE_POLL_S)

    async def lose_local_folders(self) -> float:
        """Stop every worker and start it again with nothing on its own disk; the moment of that.

        In seconds of the monotonic clock.
        """
        for supervisor in self.running.supervisors:
            await supervisor.stop()
        for number, _ in enumerate(self.running.supervisors):
            await asyncio.to_thread(shutil.rmtree, self.running.settings(number).data_dir)
        started = time.monotonic()
        for supervisor in self.running.supervisors:
            await supervisor.start()
        return started

    async def _until(self, enough: Callable[[Iterable[object]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
            while True:
                self.must_be_whole()
                served = [await _served(session, url) for url in self.running.urls]
                if sum(served) == PARTITIONS and enough(served):
                    return
                await asyncio.sleep(POLL_S)


@asynccontextmanager
async def installation(
    tell: Callable[[str], None],
    *,
    workers: int,
    roles: Sequence[str] | None = None,
    nats_sync: str = "default",
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Installation]:
    """Start one, ready to be measured; nothing of it is left behind."""
    wanted = {"TREASURY_ROLES": msgspec.json.encode(roles).decode()} if roles else {}
    with temporary_folder("treasury-bench-") as home:
        local = Local(
            home,
            "apache",
            partitions=PARTITIONS,
            workers=workers,
            port=0,
            nats_sync=nats_sync,
            environment={"TREASURY_LOG_LEVEL": "warning", **wanted, **(environment or {})},
        )
        async with Running(local, tell) as running:
            await running.ready()
            yield Installation(running)


def writers_only(
    tell: Callable[[str], None], workers: int
) -> AbstractAsyncContextManager[Installation]:
    """An installation whose workers decide and nothing else: nobody archives."""
    environment = {"TREASURY_UNARCHIVED_BYTES": str(UNARCHIVED_BYTES)}
    return installation(tell, workers=workers, roles=["writer"], environment=environment)


@contextmanager
def frozen(pids: Sequence[int]) -> Iterator[None]:
    """The processes stand still meanwhile, shorter than a session timeout."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def consumed(
    bootstrap: str,
    group: str,
    topic: str,
    ends: Mapping[int, int],
    *,
    events: int,
    check: Callable[[], None],
) -> None:
    """Return when the group has committed the topic up to `ends`; `check` may raise meanwhile.

    Raises `BenchFailed` when that takes longer than so many events may.
    """

    async def has(admin: AIOKafkaAdminClient) -> bool:
        found = await admin.list_consumer_group_offsets(group)
        reached = {tp: at.offset for tp, at in found.items()}
        return all(
            reached.get(TopicPartition(topic, partition), -1) >= end
            for partition, end in ends.items()
        )

    await _until(bootstrap, has, PATIENCE_S + events / SLOWEST_EVENTS_PER_S, check)


async def joined(bootstrap: str, group: str, *, members: int, check: Callable[[], None]) -> None:
    """Return when so many members are in the group and nobody joins or leaves at the moment."""

    async def has(admin: AIOKafkaAdminClient) -> bool:
        (answer,) = await admin.describe_consumer_groups([group])
        ((_error, _name, state, _type, _protocol, found, *_),) = answer.groups
        return state == "Stable" and len(found) == members

    await _until(bootstrap, has, PATIENCE_S, check)


async def ends_of(bootstrap: str, topic: str, partitions: int) -> dict[int, int]:
    """The end offset of each partition of a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(topic, n) for n in range(partitions)])
    finally:
        await consumer.stop()
    return {tp.partition: end for tp, end in ends.items()}


async def _until(
    bootstrap: str,
    has: Callable[[AIOKafkaAdminClient], Awaitable[bool]],
    within_s: float,
    check: Callable[[], None],
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(within_s):
            while not await has(admin):
                check()
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise BenchFailed(f"not done within {within_s:.0f} s") from None
    finally:
        await admin.close()


async def _served(session: aiohttp.ClientSession, url: str) -> int:
    try:
        async with session.get(f"{url}/readyz", timeout=aiohttp.ClientTimeout(total=5)) as answer:
            found = await answer.json()
    except (aiohttp.ClientError, TimeoutError):
        return 0
    return sum(each["state"] == "serving" for each in found["partitions"])

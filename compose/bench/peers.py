"""Runs a peer of tests/benchmarks on the same broker and the same events, and times it alike."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compose.bench.load import PARTITIONS, fill, single
from compose.bench.report import BenchFailed, cpu_s
from compose.bench.stack import POLL_S, Installation, ends_of, frozen, joined
from compose.local.kafka import ApacheKafka
from compose.local.processes import Command, ServiceProcess
from streams.kafka import PartitionReader
from tests.benchmarks.plain_faust import read
from tests.model.generator import Message

TABLES = ("seen", "balances")
PEERS = ("plain_faust", "plain_faust_take")
STOP_WITHIN_S = 15.0
STILL_S = 30.0
PEER_EVENTS = 50_000
"""A peer gets the first of the same events: its rate is the same for more of them."""


@dataclass(frozen=True)
class PeerRun:
    """What a peer did: events it took, the outbound ones it sent, and how fast."""

    events: int
    outbound: int
    events_per_s: float


async def run_peer(
    name: str,
    home: Installation,
    warm: Sequence[Message],
    measured: Sequence[Message],
    *,
    workers: int,
    tell: Callable[[str], None],
) -> PeerRun:
    """Start the peer's workers, let them take what warms up, then time the rest.

    Raises `BenchFailed` when it ends or stands still, which Faust does now and then.
    """
    peer = Peer(name, home, workers)
    tell(f"{name}: {workers} workers")
    try:
        await peer.start()
        await peer.take(warm)
        before = await ends_of(home.settings.kafka, peer.output, PARTITIONS)
        some = measured[:PEER_EVENTS]
        used_s = peer.cpu_s()
        await peer.take(some)
        used_s = peer.cpu_s() - used_s
        tell(f"{name}: {1e6 * used_s / len(some):.0f} µs of processor time an event")
    finally:
        await peer.stop()
    return await _measured(home.settings.kafka, peer.output, before, len(some))


class Peer:
    """The peer's processes: one group, one topic in, one out."""

    def __init__(self, name: str, home: Installation, workers: int) -> None:
        self.output = f"{name}.out"
        self._name, self._input, self._home = name, f"{name}.in", home
        self._commands = [_command(name, home, number) for number in range(workers)]
        self._processes = [ServiceProcess(command) for command in self._commands]
        self._expected: set[tuple[str, str]] = set()

    @property
    def _pids(self) -> list[int]:
        self._must_run()
        return [process.pid for process in self._processes if process.pid is not None]

    def cpu_s(self) -> float:
        """Processor time of all processes so far, in seconds."""
        return sum(map(cpu_s, self._pids))

    async def start(self) -> None:
        """Create its topics, start its workers; return when they share the partitions."""
        kafka = self._home.running.stack.kafka
        assert isinstance(kafka, ApacheKafka)
        await kafka.create_topics({self._input: PARTITIONS, self.output: PARTITIONS})
        # Faust would create them too, and now and then write before it sees them.
        changelogs = {f"{self._name}-{table}-changelog": PARTITIONS for table in TABLES}
        await kafka.create_topics(changelogs, {"cleanup.policy": "compact"})
        for process in self._processes:
            await process.start(_at_once, 5.0)
        await joined(
            kafka.bootstrap, self._name, members=len(self._processes), check=self._must_run
        )

    async def take(self, messages: Sequence[Message]) -> None:
        """Append these while the workers stand still; return when all that follows was sent."""
        self._expected |= {found[:2] for each in messages if (found := read(each.raw))}
        with frozen(self._pids):
            await fill(self._home.settings.kafka, self._input, single(messages))
        sent, since = -1, time.monotonic()
        while sent < len(self._expected):
            self._must_run()
            ends = await ends_of(self._home.settings.kafka, self.output, PARTITIONS)
            if sum(ends.values()) > sent:
                sent, since = sum(ends.values()), time.monotonic()
            if time.monotonic() - since > STILL_S:
                raise BenchFailed(f"{self._name} stands still at {sent} of {len(self._expected)}")
            await asyncio.sleep(POLL_S)

    async def stop(self) -> None:
        """End its workers."""
        for process in self._processes:
            await process.stop(signal.SIGTERM, STOP_WITHIN_S)

    def _must_run(self) -> None:
        for process, command in zip(self._processes, self._commands, strict=True):
            if not process.running:
                log = command.log_path.read_text(errors="replace")[-2_000:]
                raise BenchFailed(f"{self._name} ended with code {process.exit_code}:\n{log}")


def _command(name: str, home: Installation, number: int) -> Command:
    folder = home.running.local.home / f"{name}-{number}"
    return Command(
        f"{name} {number}",
        [sys.executable, "-m", f"tests.benchmarks.{name}"],
        folder,
        environment={
            "BENCH_KAFKA": home.settings.kafka,
            "BENCH_GROUP": name,
            "BENCH_INPUT": f"{name}.in",
            "BENCH_OUTPUT": f"{name}.out",
            "BENCH_PARTITIONS": str(PARTITIONS),
            "BENCH_DATA": str(folder / "data"),
        },
    )


async def _at_once() -> bool:
    return True


async def _measured(bootstrap: str, output: str, starts: dict[int, int], events: int) -> PeerRun:
    """From the first outbound record to the last; events of the first millisecond count as well."""
    times: list[int] = []
    for partition, start in starts.items():
        async with PartitionReader(bootstrap, output, partition) as reader:
            _, end = await reader.bounds()
            async for records in reader.read_range(start, end):
                times += [record.timestamp_ms for record in records]
    if len(times) < 2 or min(times) == max(times):
        raise BenchFailed("the peer sent too little to tell a rate")
    return PeerRun(events, len(times), events / ((max(times) - min(times)) / 1_000))

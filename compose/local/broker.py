"""The embedded Kafka broker: librdkafka's mock cluster, in memory, in a process of its own.

For `make run` and quick tests only. It keeps about 5 MB per partition, drops older records without
a word, never compacts, and forgets everything when it ends: nothing here promises durability.
"""

import argparse
import asyncio
import ctypes
import importlib.util
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from compose.local.processes import POLL_S, Command, ServiceProcess, StartError

RD_KAFKA_PRODUCER = 0
TOPIC_ALREADY_EXISTS = 36  # of the Kafka protocol
PACKAGE_ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 20.0


class EmbeddedBroker:
    """Handle of the mock broker's process. Each start is empty and listens on a new port."""

    version = "embedded mock broker (librdkafka)"

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._process: ServiceProcess | None = None
        self._bootstrap: str | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port` of the running broker; StartError before it runs."""
        if self._bootstrap is None:
            raise StartError("the embedded broker does not run")
        return self._bootstrap

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._process.pid if self._process else None

    async def start(self, topics: Mapping[str, int] | None = None) -> str:
        """Start with the given topics (name to partition count); returns the bootstrap address."""
        self._answers.parent.mkdir(parents=True, exist_ok=True)
        self._answers.write_text("")
        named = [f"--topic={name}:{partitions}" for name, partitions in (topics or {}).items()]
        self._process = ServiceProcess(
            Command(
                name="embedded Kafka broker",
                arguments=[
                    *(sys.executable, "-m", "compose.local.broker", "--stdin"),
                    *(f"--port-file={self._answers}", *named),
                ],
                folder=self._folder,
                environment={"PYTHONPATH": str(PACKAGE_ROOT)},
                death_signal=signal.SIGKILL,
                keeps_stdin=True,
            )
        )
        await self._process.start(self._is_ready, READY_WITHIN_S)
        self._bootstrap = self._answers.read_text().splitlines()[0]
        return self._bootstrap

    async def create_topics(self, topics: Mapping[str, int]) -> None:
        """Create topics on the running broker; one that exists keeps its partitions."""
        if self._process is None or self._bootstrap is None:
            raise StartError("the embedded broker does not run")
        for name, partitions in topics.items():
            self._process.write_line(f"{name}:{partitions}")
        wanted = {f"topic {name}" for name in topics}
        async with asyncio.timeout(READY_WITHIN_S):
            while not wanted <= set(self._answers.read_text().splitlines()):
                if not self._process.running:
                    raise StartError("the embedded broker ended while creating topics")
                await asyncio.sleep(POLL_S)

    async def stop(self) -> None:
        """End the broker; everything it held is gone."""
        await self.kill()

    async def kill(self) -> None:
        """SIGKILL; for this broker the same as stopping."""
        if self._process is not None:
            await self._process.kill()
        self._bootstrap = None

    @property
    def _answers(self) -> Path:
        return self._folder / "broker.answers"

    async def _is_ready(self) -> bool:
        return self._answers.read_text().endswith("\n")


class MockCluster:
    """One mock broker inside this process, by ctypes over the wheel's own librdkafka."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(str(librdkafka_path()))
        self._declare()
        message = ctypes.create_string_buffer(512)
        client = self._library.rd_kafka_new(RD_KAFKA_PRODUCER, None, message, len(message))
        if not client:
            raise StartError(f"librdkafka: {message.value.decode()}")
        self._cluster = self._library.rd_kafka_mock_cluster_new(client, 1)
        if not self._cluster:
            raise StartError("librdkafka could not open its mock cluster")
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)

    @property
    def bootstrap(self) -> str:
        """The address clients connect to; librdkafka chooses the port."""
        address: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return address.decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic; one that exists already stays as it is."""
        error = self._library.rd_kafka_mock_topic_create(
            self._cluster, name.encode(), partitions, 1
        )
        if error not in (0, TOPIC_ALREADY_EXISTS):
            raise StartError(f"librdkafka refused topic {name}:{partitions}, error {error}")

    def _declare(self) -> None:
        library, pointer = self._library, ctypes.c_void_p
        signatures = {
            "rd_kafka_new": (pointer, [ctypes.c_int, pointer, ctypes.c_char_p, ctypes.c_size_t]),
            "rd_kafka_mock_cluster_new": (pointer, [pointer, ctypes.c_int]),
            "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, [pointer]),
            "rd_kafka_mock_topic_create": (
                ctypes.c_int,
                [pointer, ctypes.c_char_p, ctypes.c_int, ctypes.c_int],
            ),
            "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, ctypes.c_int32]),
        }
        for name, (result, arguments) in signatures.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments


def librdkafka_path() -> Path:
    """The shared library of the confluent-kafka wheel; StartError when it cannot be found."""
    spec = importlib.util.find_spec("confluent_kafka")
    if spec is None or spec.origin is None:
        raise StartError("confluent-kafka is missing: install the extra 'local'")
    package = Path(spec.origin).parent
    for folder in (package.parent / "confluent_kafka.libs", package / ".dylibs", package):
        for found in sorted(folder.glob("librdkafka*")):
            return found
    raise StartError(f"no librdkafka beside {package}")


def parse_topic(text: str) -> tuple[str, int]:
    """`name:partitions`; ValueError for anything else."""
    name, _, partitions = text.strip().rpartition(":")
    if not name or int(partitions) < 1:
        raise ValueError(f"expected name:partitions, got {text!r}")
    return name, int(partitions)


def main() -> None:
    """Serve until SIGTERM or, with --stdin, until standard input closes.

    The port file's first line is the bootstrap address; `topic NAME` follows for each topic made.
    """
    parser = argparse.ArgumentParser(description="Embedded Kafka broker, memory only.")
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--topic", action="append", default=[], type=parse_topic)
    parser.add_argument("--stdin", action="store_true", help="create topics named on stdin")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cluster = MockCluster()
    for name, partitions in options.topic:
        cluster.create_topic(name, partitions)
    with options.port_file.open("a", buffering=1) as answers:
        answers.write(f"{cluster.bootstrap}\n")
        for line in sys.stdin if options.stdin else ():
            name, partitions = parse_topic(line)
            cluster.create_topic(name, partitions)
            answers.write(f"topic {name}\n")
    if not options.stdin:
        signal.pause()


if __name__ == "__main__":
    main()

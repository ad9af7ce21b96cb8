"""Apache Kafka as one KRaft node on this machine: durable, and close enough to production to test
fencing, rebalances and loss on.

`make kafka` puts the jars in place. Settings favour a quick start and one small machine; a
production cluster is configured elsewhere.
"""

import asyncio
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from compose.local.processes import Command, ServiceProcess, StartError, free_port, port_answers

PROJECT = Path(__file__).parents[2]
JARS = PROJECT / ".cache" / "kafka"
LOGGING = PROJECT / "compose" / "kafka" / "log4j2.xml"
JAVA_VERSION_MIN = 17
READY_WITHIN_S = 90.0
STOP_WITHIN_S = 20.0
MESSAGE_BYTES_MAX = 17 * 1024 * 1024  # a journal record is at most 16 MB
CLUSTER_ID = "dHJlYXN1cnktbG9jYWwtMQ"

SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
message.max.bytes={message_bytes_max}
replica.fetch.max.bytes={message_bytes_max}
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
log.cleaner.dedupe.buffer.size=16777216
log.initial.task.delay.ms=5000
"""


class ApacheKafka:
    """Handle of one node; restarts keep the ports and the data."""

    def __init__(
        self, folder: Path, *, port: int | None = None, controller_port: int | None = None
    ) -> None:
        self._folder = folder.absolute()
        self._process: ServiceProcess | None = None
        self.port = port or free_port()
        self.controller_port = controller_port or free_port()

    @property
    def data_dir(self) -> Path:
        """Everything the broker keeps; remove it while stopped to lose all of it."""
        return self._folder / "data"

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def version(self) -> str:
        """For example `Apache Kafka 4.1.1`."""
        return f"Apache Kafka {jars_version() or '(no jars yet)'}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._process.pid if self._process else None

    async def start(self) -> str:
        """Start, or start again on the same data; returns the bootstrap address once it answers."""
        available, reason = apache_kafka_available()
        if not available:
            raise StartError(f"Apache Kafka cannot run here: {reason}")
        settings = self._write_settings()
        if not (self._folder / "data" / "meta.properties").exists():
            await self._format_storage(settings)
        self._process = ServiceProcess(
            Command(
                name="Apache Kafka",
                arguments=self._java("kafka.Kafka", str(settings), heap="512m"),
                folder=self._folder,
            )
        )
        await self._process.start(self._is_ready, READY_WITHIN_S)
        return self.bootstrap

    async def create_topics(
        self, topics: Mapping[str, int], configs: Mapping[str, str] | None = None
    ) -> None:
        """Create topics (name to partition count), all with the same topic configs.

        One that exists stays as it is; KafkaError for any other refusal.
        """
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            for name, partitions in topics.items():
                await _create_topic(admin, NewTopic(name, partitions, 1, topic_configs=configs))
        finally:
            await admin.close()

    async def stop(self) -> None:
        """Graceful end: logs are flushed and closed cleanly."""
        if self._process is not None:
            await self._process.stop(signal.SIGTERM, STOP_WITHIN_S)

    async def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            await self._process.kill()

    def _write_settings(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "server.properties"
        path.write_text(
            SETTINGS.format(
                port=self.port,
                controller_port=self.controller_port,
                data=self._folder / "data",
                message_bytes_max=MESSAGE_BYTES_MAX,
            )
        )
        return path

    async def _format_storage(self, settings: Path) -> None:
        arguments = self._java(
            "kafka.tools.StorageTool",
            *("format", "--ignore-formatted", "-t", CLUSTER_ID, "-c", str(settings)),
            heap="256m",
        )
        tool = await asyncio.to_thread(
            subprocess.run, arguments, capture_output=True, text=True, check=False, cwd="/"
        )
        if tool.returncode != 0:
            raise StartError(f"Apache Kafka's storage could not be formatted:\n{tool.stderr}")

    def _java(self, *arguments: str, heap: str) -> list[str]:
        return [
            *(str(java_path()), f"-Xmx{heap}", "-Djava.awt.headless=true"),
            f"-Dlog4j2.configurationFile={LOGGING}",
            *("-cp", f"{JARS}/*", *arguments),
        ]

    async def _is_ready(self) -> bool:
        # Asked first because Kafka clients log every refused connection loudly.
        if not await port_answers(self.port):
            return False
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5_000)
        try:
            await admin.start()
            cluster = await admin.describe_cluster()
            return bool(cluster["brokers"])
        except (KafkaError, OSError, TimeoutError):
            return False
        finally:
            await admin.close()


async def _create_topic(admin: AIOKafkaAdminClient, topic: NewTopic) -> None:
    response = await admin.create_topics([topic])
    for name, code, *rest in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise KafkaError(f"topic {name} was refused with error {code}: {rest}")


def java_path() -> Path | None:
    """The `java` on PATH, if any."""
    found = shutil.which("java")
    return Path(found) if found else None


def jars_version() -> str | None:
    """The version of the jars `make kafka` put in place, if any."""
    for jar in JARS.glob("kafka_2.13-*.jar"):
        return jar.stem.removeprefix("kafka_2.13-")
    return None


def apache_kafka_available() -> tuple[bool, str]:
    """Whether Java and the jars are here, and what is missing or found, for a person to read."""
    java = java_path()
    if java is None:
        return False, f"no java on PATH (Java {JAVA_VERSION_MIN} or newer is needed)"
    printed = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', printed)
    if version is None or int(version[1]) < JAVA_VERSION_MIN:
        return False, f"Java {JAVA_VERSION_MIN} or newer is needed, found: {printed.strip()[:80]}"
    if jars_version() is None:
        return False, "its jars are not here yet: run `make kafka` (needs Maven)"
    return True, f"Apache Kafka {jars_version()} on Java {version[1]}"

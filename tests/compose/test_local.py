"""The local services for real: start, kill, restart, what survives, and what dies with whom."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import nats
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from compose.local import processes
from compose.local.accounts import private_folder, server_account
from compose.local.broker import EmbeddedBroker, parse_topic
from compose.local.kafka import ApacheKafka
from compose.local.nats import NatsServer
from compose.local.postgres import PostgresServer
from compose.local.processes import Command, ServiceProcess, StartError
from compose.local.stack import Stack

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def folder(stack_folder: Path) -> Iterator[Path]:
    path = stack_folder / uuid4().hex
    path.mkdir()
    yield path
    shutil.rmtree(path)


async def produce(bootstrap: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def read_one(bootstrap: str, topic: str) -> bytes:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            return (await consumer.getone()).value
    finally:
        await consumer.stop()


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pids: list[int]) -> list[int]:
    """The processes still alive after a while; empty as soon as all are gone."""
    deadline = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [pid for pid in pids if alive(pid)]


class TestServiceProcess:
    async def test_shows_the_end_of_the_log_when_the_service_dies(self, folder: Path) -> None:
        script = "echo the disk is on fire; exit 3"
        process = ServiceProcess(Command("toaster", ["/bin/sh", "-c", script], folder))

        async def never() -> bool:
            return False

        with pytest.raises(StartError, match=r"(?s)toaster ended with code 3.*disk is on fire"):
            await process.start(never, deadline_s=10)

    async def test_kills_a_service_that_is_not_ready_in_time(self, folder: Path) -> None:
        process = ServiceProcess(Command("sloth", ["/bin/sleep", "60"], folder))

        async def never() -> bool:
            return False

        with pytest.raises(StartError, match="sloth was not ready"):
            await process.start(never, deadline_s=-20)
        assert not process.running

    async def test_kills_a_service_that_ignores_its_stop_signal(self, folder: Path) -> None:
        script = 'trap "" TERM; echo up; while :; do sleep 0.1; done'
        command = Command("mule", ["/bin/sh", "-c", script], folder)
        process = ServiceProcess(command)

        async def up() -> bool:
            return command.log_path.read_text() == "up\n"

        await process.start(up, deadline_s=10)
        await process.stop(signal.SIGTERM, patience_s=0.2)
        assert not process.running


class TestFreePort:
    def test_is_given_to_nobody_else_though_nobody_listens_yet(self, monkeypatch) -> None:
        monkeypatch.setattr(processes, "PORTS", range(15_000, 15_040))
        ports = [processes.free_port() for _ in range(20)]
        assert len(set(ports)) == 20


class TestEmbeddedBroker:
    async def test_carries_records_on_the_topics_it_was_given(self, folder: Path) -> None:
        broker = EmbeddedBroker(folder / "broker")
        bootstrap = await broker.start({"given": 3})
        await produce(bootstrap, "given", b"one")
        assert await read_one(bootstrap, "given") == b"one"
        await broker.stop()

    async def test_creates_topics_while_it_runs(self, folder: Path) -> None:
        broker = EmbeddedBroker(folder / "broker")
        bootstrap = await broker.start()
        await broker.create_topics({"later": 5})
        await broker.create_topics({"later": 5})
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        assert set(range(5)) == await producer.partitions_for("later")
        await producer.stop()
        await broker.stop()

    async def test_forgets_everything_when_it_is_killed(self, folder: Path) -> None:
        broker = EmbeddedBroker(folder / "broker")
        bootstrap = await broker.start({"gone": 1})
        await produce(bootstrap, "gone", b"before")
        await broker.kill()
        bootstrap = await broker.start({"gone": 1})
        await produce(bootstrap, "gone", b"after")
        assert await read_one(bootstrap, "gone") == b"after"
        await broker.stop()

    @pytest.mark.parametrize("text", ["", "name", "name:", ":3", "name:0", "name:x"])
    def test_refuses_a_topic_without_name_or_partitions(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            parse_topic(text)

    def test_ends_on_sigterm_when_run_by_hand(self, folder: Path) -> None:
        port_file = folder / "port"
        broker = subprocess.Popen(
            [sys.executable, "-m", "compose.local.broker", "--port-file", port_file],
            cwd=PROJECT,
        )
        deadline = time.monotonic() + 20
        while not port_file.exists() or not port_file.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        broker.terminate()
        assert broker.wait(timeout=20) == 0


class TestNatsServer:
    @pytest.mark.parametrize("sync", ["default", "always"])
    async def test_keeps_its_stream_through_a_kill(self, folder: Path, sync) -> None:
        server = NatsServer(folder / "nats", sync=sync)
        client = await nats.connect(await server.start())
        await client.jetstream().add_stream(name="KEPT", subjects=["kept.>"])
        await client.jetstream().publish("kept.one", b"still here")
        await client.close()
        await server.kill()
        client = await nats.connect(await server.start())
        message = await client.jetstream().get_msg("KEPT", 1)
        assert message.data == b"still here"
        await client.close()
        await server.stop()


class TestPostgresServer:
    async def test_keeps_committed_rows_through_every_kind_of_end(self, folder: Path) -> None:
        server = PostgresServer(folder / "postgres")
        connection = await asyncpg.connect(await server.start())
        await connection.execute("CREATE TABLE kept (number bigint)")
        await connection.close()
        ends = [server.kill, server.stop, lambda: server.stop(immediate=True)]
        for number, end in enumerate(ends):
            connection = await asyncpg.connect(server.dsn)
            await connection.execute("INSERT INTO kept VALUES ($1)", number)
            await end()
            connection.terminate()
            await server.start()
        connection = await asyncpg.connect(server.dsn)
        kept = await connection.fetch("SELECT number FROM kept ORDER BY number")
        assert [row["number"] for row in kept] == [0, 1, 2]
        await connection.close()
        await server.stop()

    async def test_is_durable_and_wants_its_password(self, stack: Stack) -> None:
        dsn = stack.endpoints.postgres_dsn
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SHOW listen_addresses") == "127.0.0.1"
        await connection.close()
        address = dsn.rpartition("@")[2]
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(f"postgresql://treasury:guess@{address}")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run it as somebody else")
    async def test_moves_where_its_account_can_reach_it(self, folder: Path) -> None:
        closed = folder / "closed"
        closed.mkdir(mode=0o700)
        server = PostgresServer(closed / "postgres")
        connection = await asyncpg.connect(await server.start())
        home = (closed / "postgres" / "home").resolve()
        assert not home.is_relative_to(closed)
        assert await connection.fetchval("SELECT 1") == 1
        assert (home / "password").stat().st_mode & 0o777 == 0o600
        await connection.close()
        await server.stop()
        shutil.rmtree(home)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run it as somebody else")
    def test_never_finds_an_old_database_again(self, folder: Path) -> None:
        closed = folder / "closed"
        closed.mkdir(mode=0o700)
        first = private_folder(server_account(), closed / "home")
        assert private_folder(server_account(), closed / "home") == first
        (closed / "home").unlink()
        second = private_folder(server_account(), closed / "home")
        assert second != first
        first.rmdir()
        second.rmdir()


@pytest.mark.kafka
@pytest.mark.usefixtures("needs_apache")
class TestApacheKafka:
    async def test_keeps_its_topic_through_kill_and_stop(self, folder: Path) -> None:
        server = ApacheKafka(folder / "kafka")
        bootstrap = await server.start()
        await server.create_topics({"kept": 2}, {"max.message.bytes": "16777216"})
        await server.create_topics({"kept": 2})
        await produce(bootstrap, "kept", b"still here")
        await server.kill()
        assert await server.start() == bootstrap
        assert await read_one(bootstrap, "kept") == b"still here"
        await server.stop()
        assert await server.start() == bootstrap
        assert await read_one(bootstrap, "kept") == b"still here"
        await server.stop()


class TestStack:
    async def test_a_second_stack_on_the_same_folder_is_refused(
        self, stack: Stack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("compose.local.processes.LOCK_WAIT_S", 0.2)
        second = NatsServer(stack.nats.folder)
        with pytest.raises(StartError, match="another process still uses"):
            await second.start()

    async def test_a_failing_service_takes_the_others_down(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stack = Stack(folder, kafka="embedded")
        monkeypatch.setattr("compose.local.nats.nats_server_path", lambda: Path("/bin/false"))
        with pytest.raises(StartError, match="NATS ended with code 1"):
            await stack.start(lambda _line: None)
        assert [stack.kafka.pid, stack.nats.pid, stack.postgres.pid] == [None, None, None]

    async def test_takes_a_relative_folder_with_a_space_in_its_name(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(folder)
        stack = Stack(Path("my data"), kafka="embedded", topics={"x": 1})
        await stack.start(lambda _line: None)
        assert (folder / "my data" / "postgres" / "home" / "data").is_dir()
        await stack.stop()

    async def test_progress_never_shows_the_password(self, folder: Path) -> None:
        lines: list[str] = []
        stack = Stack(folder, kafka="embedded", topics={"x": 1})
        endpoints = await stack.start(lines.append)
        password = endpoints.postgres_dsn.split(":")[2].split("@")[0]
        assert len(password) >= 20
        assert password not in "\n".join(lines)
        assert all(any(name in line for line in lines) for name in ("Kafka", "NATS", "PostgreSQL"))
        await stack.stop()


PARENT = """
import asyncio, signal, sys
from pathlib import Path
from compose.local.stack import Stack

async def main():
    stack = Stack(Path(sys.argv[1]), kafka=sys.argv[2])
    await stack.start(lambda line: None)
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, lambda: print("interrupted", flush=True))
    loop.add_signal_handler(signal.SIGTERM, over.set)
    print(stack.kafka.pid, stack.nats.pid, stack.postgres.pid, flush=True)
    await over.wait()
    await stack.stop()

asyncio.run(main())
"""


@contextmanager
def running_parent(folder: Path, kafka: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process, leader of its group, that runs a stack; and the ids of the three services."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, folder, kafka],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 3
        assert all(map(alive, pids))
        try:
            yield parent, pids
        finally:
            parent.kill()
    assert wait_until_gone(pids) == []


class TestSignals:
    def test_ctrl_c_reaches_the_parent_and_leaves_the_services_to_it(self, folder: Path) -> None:
        with running_parent(folder, "embedded") as (parent, pids):
            os.killpg(parent.pid, signal.SIGINT)
            assert parent.stdout.readline() == "interrupted\n"
            assert all(map(alive, pids))

    def test_an_orderly_stop_closes_the_database_cleanly(self, folder: Path) -> None:
        with running_parent(folder, "embedded") as (parent, pids):
            parent.terminate()
            assert parent.wait(timeout=60) == 0
            assert not any(map(alive, pids))
        assert "database system is shut down" in (folder / "postgres/server.log").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
class TestDeathOfTheParent:
    def test_ends_every_service(self, folder: Path) -> None:
        with running_parent(folder, "embedded") as (parent, pids):
            parent.kill()
            assert wait_until_gone(pids) == []

    @pytest.mark.kafka
    @pytest.mark.usefixtures("needs_apache")
    def test_ends_apache_kafka_too(self, folder: Path) -> None:
        with running_parent(folder, "apache") as (parent, pids):
            parent.kill()
            assert wait_until_gone(pids) == []

    def test_the_next_start_waits_for_the_folder_and_takes_it(self, folder: Path) -> None:
        with running_parent(folder, "embedded") as (parent, _pids):
            parent.kill()
            with running_parent(folder, "embedded"):
                pass

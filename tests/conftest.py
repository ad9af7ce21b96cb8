"""Fixtures for tests that need real services: one stack for the whole session, and its notice."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from compose.local.accounts import temporary_folder
from compose.local.kafka import apache_kafka_available
from compose.local.stack import Endpoints, Stack
from streams.kafka import open_producer
from tests.browser import CHROMIUM

TOOLS_REQUIRED = os.environ.get("TREASURY_REQUIRE_TOOLS") == "1"
PROMTOOL = shutil.which("promtool") or ""
TOOLS = {"browser": ("Chromium", CHROMIUM), "promtool": ("promtool", PROMTOOL)}
"""By the mark of the tests that need it: a tool that a machine may lack, and where it is."""
APACHE_REQUIRED = os.environ.get("TREASURY_REQUIRE_APACHE_KAFKA") == "1"
HALF = os.environ.get("TREASURY_HALF", "")
REPORT = Path(__file__).parents[1] / ".cache" / f"test-report{HALF}"
BROKER = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    available, reason = apache_kafka_available()
    if APACHE_REQUIRED and not available:
        pytest.exit(f"TREASURY_REQUIRE_APACHE_KAFKA=1, but {reason}", returncode=1)
    missing = [name for name, path in TOOLS.values() if not path]
    if TOOLS_REQUIRED and missing:
        pytest.exit(f"TREASURY_REQUIRE_TOOLS=1, but there is no {missing[0]}", returncode=1)
    config.stash[BROKER] = "no broker (no test asked for one)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs a tool that this machine lacks is skipped, and says so."""
    for item in items:
        for mark, (name, path) in TOOLS.items():
            if not path and item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=f"no {name} on this machine"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Where Apache Kafka is required, a Kafka test that skips itself has failed."""
    report = yield
    if APACHE_REQUIRED and report.skipped and item.get_closest_marker("kafka"):
        report.outcome = "failed"
        report.longrepr = f"skipped although Apache Kafka is required: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    counts = ", ".join(
        f"{len(terminalreporter.stats[kind])} {kind}"
        for kind in ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
        if terminalreporter.stats.get(kind)
    )
    broker = f"Kafka tests ran on: {config.stash[BROKER]}"
    terminalreporter.write_line(broker, bold=True)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(f"Tests: {counts or 'none'}. {broker}\n")


@pytest.fixture(scope="session")
def stack_folder() -> Iterator[Path]:
    """A temporary folder that the unprivileged account of PostgreSQL can enter."""
    with temporary_folder("treasury-tests-") as folder:
        yield folder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(stack_folder: Path, pytestconfig: pytest.Config) -> AsyncIterator[Stack]:
    """The running services. Tests share them: use topics, streams and databases of your own."""
    available, reason = apache_kafka_available()
    stack = Stack(stack_folder / "session", kafka="apache" if available else "embedded")
    why = "" if available else f"; {reason}"
    pytestconfig.stash[BROKER] = f"nothing: {stack.kafka.version} or the rest did not start"
    await stack.start(lambda _line: None)
    pytestconfig.stash[BROKER] = f"{stack.kafka.version}{why}"
    yield stack
    await stack.stop()


@pytest.fixture
def endpoints(stack: Stack) -> Endpoints:
    """Where the session's services answer."""
    return stack.endpoints


@pytest_asyncio.fixture
async def producer(stack: Stack) -> AsyncIterator[AIOKafkaProducer]:
    """A producer as our own are."""
    producer = await open_producer(stack.kafka.bootstrap)
    yield producer
    await producer.stop()


@pytest_asyncio.fixture
async def topic(stack: Stack) -> str:
    """A topic of one partition that nobody else uses."""
    name = f"log-{uuid4().hex}"
    await stack.create_topics({name: 1})
    return name


@pytest_asyncio.fixture
async def database_dsn(stack: Stack) -> AsyncIterator[str]:
    """A new empty database of the session's server, dropped afterwards."""
    name = f"test_{uuid4().hex}"
    server = await asyncpg.connect(stack.endpoints.postgres_dsn)
    await server.execute(f"CREATE DATABASE {name}")
    yield stack.endpoints.postgres_dsn.rpartition("/")[0] + f"/{name}"
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


@pytest.fixture
def needs_apache() -> None:
    """Skips where Apache Kafka is missing; fails there when it is required."""
    available, reason = apache_kafka_available()
    if not available:
        pytest.skip(reason)

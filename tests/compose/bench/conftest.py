"""One installation for all benches; each test sends a load of its own tenants."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from compose.bench.stack import Installation, installation
from compose.local.kafka import apache_kafka_available, jars_version
from tests.conftest import BROKER


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def home(pytestconfig: pytest.Config) -> AsyncIterator[Installation]:
    """A whole installation with one worker in all roles."""
    available, reason = apache_kafka_available()
    if not available:
        pytest.skip(reason)
    pytestconfig.stash[BROKER] = f"Apache Kafka {jars_version()}"
    async with installation(print, workers=1) as running:
        yield running

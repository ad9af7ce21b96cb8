"""Fixtures of the tests on a whole installation; each has one of its own and may destroy it.

TREASURY_KEEP=1 keeps its folder with all logs.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose.local import supervisor
from compose.local.kafka import jars_version
from compose.up import Running
from tests.conftest import BROKER
from tests.e2e.leaks import leaks, leaks_of_database


@pytest.fixture(autouse=True)
def quick_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies again and again is started again soon, every time."""
    monkeypatch.setattr(supervisor, "LONGEST_DELAY_S", supervisor.FIRST_DELAY_S)


@pytest.fixture(autouse=True, scope="session")
def no_secret_in_any_log_or_table() -> Iterator[None]:
    """Whatever an installation went through, its logs and tables hold no key, password or token."""
    leave = Running.__aexit__

    async def searched(self: Running, *failed: object) -> None:
        in_tables = await leaks_of_database(self)
        await leave(self, *failed)
        assert [*leaks(self), *in_tables] == []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Running, "__aexit__", searched)
        yield


@pytest.fixture
def home(needs_apache, pytestconfig: pytest.Config) -> Iterator[Path]:
    """A folder for an installation on Apache Kafka, gone afterwards."""
    pytestconfig.stash[BROKER] = f"Apache Kafka {jars_version()}"
    folder = Path(tempfile.mkdtemp(prefix="treasury-e2e-"))
    folder.chmod(0o755)  # PostgreSQL runs under an account of its own when we are root
    yield folder
    if os.environ.get("TREASURY_KEEP") == "1":
        print(f"kept {folder}")
    else:
        shutil.rmtree(folder)

"""The API against its own specification, by schemathesis: whatever is asked is answered as told.

On the embedded stack; nothing about losing or doubling is claimed here.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from compose.local.accounts import temporary_folder
from compose.up import DEMO_TENANT, Local, Running, seed_demo
from tests.e2e.cluster import seed_of_run

SEED = 20260302
"""Of the small run: what lands does not depend on luck; the long run draws another each time."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
# What schemathesis cannot make or read to its end: lines of JSON, text that is none, streams.
LEFT_OUT = ("/metrics", "/api/v1/{tenant}/events:batch", "/api/v1/{tenant}/balances/live")


@pytest.fixture
def home():
    with temporary_folder("treasury-fuzz-") as folder:
        yield folder / "home"


@pytest_asyncio.fixture
async def running(home: Path) -> AsyncIterator[Running]:
    async with Running(Local(home, "embedded", partitions=2, port=0), print) as running:
        await running.ready()
        await seed_demo(running.endpoints.nats)
        yield running


async def _fuzz(running: Running, examples: int, phases: str, seed: int) -> None:
    options = [
        *("--url", running.urls[0]),
        *("--checks", ",".join(CHECKS)),
        *("--phases", phases),
        *("--max-examples", str(examples)),
        *("--seed", str(seed)),
        *("--workers", "2"),
        *("--request-timeout", "20"),
        *("-H", f"Authorization: Bearer {running.token(DEMO_TENANT)}"),
        "--continue-on-failure",
        "--no-color",
    ]
    for path in LEFT_OUT:
        options += ["--exclude-path", path]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{running.urls[0]}/openapi.json"),
        *options,
        cwd=running.local.home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    text = said.decode()
    print(text[-8_000:])
    assert process.returncode == 0
    assert "failures" not in text.rpartition("SUMMARY")[2]
    assert "Tested: " in text


class TestEveryOperation:
    @pytest.mark.timeout(420)
    async def test_answers_as_it_is_told(self, running):
        await _fuzz(running, 5, "fuzzing", SEED)

    @pytest.mark.long
    @pytest.mark.timeout(3_600)
    async def test_answers_a_hundred_times_as_it_is_told(self, running):
        await _fuzz(running, 100, "examples,coverage,fuzzing", seed_of_run())

"""The embedded broker forgets everything, and more than it has room for; the archive does not."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import nats
import pytest

from compose import seeing
from compose.proof import verify_all
from compose.sending import Payers, publish
from compose.up import Local, Running
from tables.postgres.pool import open_pool
from tests.e2e.cluster import PATIENCE_S, seed_of_run
from tests.model.generator import generate

pytestmark = pytest.mark.timeout(900)
EVENTS = int(os.environ.get("TREASURY_EMBEDDED_EVENTS", "30000"))


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="treasury-embedded-"))
    folder.chmod(0o755)  # PostgreSQL runs under an account of its own when we are root
    yield folder
    shutil.rmtree(folder)


async def _balances(running: Running, tenants: list[str]) -> dict:
    async with aiohttp.ClientSession() as session:
        payers = Payers(session, running.urls[0], running.token)
        return (await seeing.balances(payers, tenants))[0]


async def _settled(running: Running) -> None:
    client = await nats.connect(running.endpoints.nats)
    pool = await open_pool(running.settings().archiver_dsn, max_size=1)
    try:
        await seeing.decided(client, pool, within_s=PATIENCE_S)
    finally:
        await pool.close()
        await client.close()


class TestTheEmbeddedBroker:
    async def test_comes_back_with_more_rows_than_it_can_hold(self, folder):
        load = generate(seed_of_run(), EVENTS, start_ms=time.time_ns() // 1_000_000)
        local = Local(folder, "embedded", partitions=1, port=0)
        tenants = [tenant.tenant_id for tenant in load.tenants]
        async with Running(local, print) as running:
            await running.ready()
            messages = [message for message in load.messages if message.after is None]
            await publish(running.endpoints.nats, messages)
            await _settled(running)
            before = await _balances(running, tenants)
        assert any(before.values())
        for start in (2, 3):
            async with Running(local, print) as running:
                await running.ready()
                await _settled(running)
                assert await _balances(running, tenants) == before
                assert "recovery_reads_the_archive" in running.command(0).log_path.read_text()
                if start == 3:
                    proof = await verify_all(running.settings())
                    assert (proof.sound, proof.violations) == (True, [])

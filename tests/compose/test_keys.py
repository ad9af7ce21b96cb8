"""`treasury keys`, as an operator types it: new data keys, also after a kill; no key of another."""

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.roles.secret_store import SecretStore, put_secret
from compose.serve import migrate_database
from compose.settings import Settings, new_master_key
from tables.postgres.pool import open_pool, tenant_transaction

ROOT = Path(__file__).parents[2]
LONG_AGO = datetime.now(UTC) - timedelta(days=100)
REFUSED, WITHIN_S = 78, 60
COUNT = 5


@pytest.fixture
async def installed(database_dsn):
    """The settings of a database that holds secrets under old data keys."""
    passwords = {"app_password": "app pass", "archiver_password": "archiver pass"}
    settings = Settings(master_key=new_master_key(), postgres_dsn=database_dsn, **passwords)
    await migrate_database(settings)
    pool = await open_pool(settings.app_dsn, max_size=1)
    try:
        async with tenant_transaction(pool, "alpha") as connection:
            for number in range(COUNT):
                about = connection, settings.keyring, "alpha", f"k{number}", f"value {number}"
                await put_secret(*about, by="ann", now=LONG_AGO)
    finally:
        await pool.close()
    return settings


async def treasury(settings, *words, **environment):
    """(exit code, what it printed, what it complained of) of a command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "compose.cli", *words),
        cwd=ROOT,
        env={
            **os.environ,
            "TREASURY_POSTGRES_DSN": settings.postgres_dsn.get_secret_value(),
            # By themselves they are made of the master key: another one would not even log in.
            "TREASURY_APP_PASSWORD": "app pass",
            "TREASURY_ARCHIVER_PASSWORD": "archiver pass",
            "TREASURY_MASTER_KEY": settings.master_key.get_secret_value(),
            **environment,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WITHIN_S):
        said, complained = await process.communicate()
    return process.returncode, said.decode(), complained.decode()


async def keyed(settings):
    """How many secrets have a data key of today, and what all of them say."""
    pool = await open_pool(settings.archiver_dsn, max_size=1)
    try:
        today = await pool.fetchval(
            "SELECT count(*) FROM secrets WHERE keyed_at > now() - interval '1 day'"
        )
        found = await SecretStore(pool, settings.keyring).resolve("alpha", "")
    finally:
        await pool.close()
    return today, {name: each.value.get_secret_value() for name, each in found.items()}


ALL = {f"k{number}": f"value {number}" for number in range(COUNT)}


class TestRotate:
    async def test_gives_every_secret_a_new_data_key(self, installed):
        assert await keyed(installed) == (0, ALL)
        code, said, _ = await treasury(installed, "keys", "rotate", "--json")
        assert (code, json.loads(said)["resealed"]) == (0, COUNT)
        assert await keyed(installed) == (COUNT, ALL)

    async def test_that_is_killed_loses_nothing_and_is_typed_again(self, installed):
        code, _, _ = await treasury(installed, "keys", "rotate", TREASURY_CRASH_AT="S16:2")
        assert code == -signal.SIGKILL
        assert await keyed(installed) == (2, ALL)
        code, _, _ = await treasury(installed, "keys", "rotate")
        assert code == 0
        assert await keyed(installed) == (COUNT, ALL)

    async def test_prints_no_key_and_no_secret(self, installed):
        for words in (("keys", "rotate"), ("keys", "status"), ("keys", "status", "--json")):
            _, said, complained = await treasury(installed, *words)
            assert installed.master_key.get_secret_value() not in said + complained
            assert "value 0" not in said + complained


class TestAnotherMasterKey:
    @pytest.mark.parametrize("words", [("keys", "rotate"), ("worker",)])
    async def test_is_refused_before_anything_is_sealed_or_served(self, installed, words):
        other = new_master_key()
        code, said, complained = await treasury(installed, *words, TREASURY_MASTER_KEY=other)
        assert code == REFUSED
        assert "master keys that are not here" in said + complained
        assert other not in said + complained
        assert await keyed(installed) == (0, ALL)

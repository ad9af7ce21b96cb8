"""Secrets are the tenant's own or the platform's; they get new keys in time and survive that."""

import asyncio
import dataclasses
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from agents.roles.counters import KEY_AGE
from agents.roles.lease import Owner
from agents.roles.secret_store import (
    KeyKeeper,
    Rotated,
    SecretStore,
    put_secret,
    remove_secret,
    require_keys,
)
from connectors.envelope import Keyring
from streams.errors import Misconfigured, Unreadable
from tables.postgres.pool import APP, login_dsn, tenant_transaction
from tables.postgres.secrets import PLATFORM, SecretRow, read_secret, write_secret
from tests.databases import APP_PASSWORD

OLD, NEW, OTHER = (Keyring(bytes([n]) * 32) for n in (1, 2, 3))
BOTH = Keyring(bytes([2]) * 32, [bytes([1]) * 32])
NOW = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)
DAY = timedelta(days=1)
WITHIN_S = 60


async def put(database, tenant, name, value, *, keyring=OLD, now=NOW) -> SecretRow | None:
    async with tenant_transaction(database.app, tenant) as connection:
        return await put_secret(connection, keyring, tenant, name, value, by="somebody", now=now)


async def remove(database, tenant, name) -> bool:
    async with tenant_transaction(database.app, tenant) as connection:
        return await remove_secret(connection, tenant, name, by="somebody", now=NOW)


async def row(database, tenant, name) -> SecretRow | None:
    return await read_secret(database.archiver, tenant, name)


async def values(database, tenant, keyring=OLD, prefix="") -> dict[str, tuple[str, str]]:
    """By name: the value and whose it is."""
    found = await SecretStore(database.archiver, keyring).resolve(tenant, prefix)
    return {name: (each.value.get_secret_value(), each.owner) for name, each in found.items()}


class TestASecret:
    async def test_is_the_tenants_own_before_the_platforms(self, database):
        await put(database, PLATFORM, "mpesa.key", "of the platform")
        await put(database, PLATFORM, "mpesa.secret", "of the platform too")
        await put(database, "alpha", "mpesa.key", "of alpha")
        await put(database, "beta", "stripe.key", "of beta")
        assert await values(database, "alpha", prefix="mpesa.") == {
            "mpesa.key": ("of alpha", "alpha"),
            "mpesa.secret": ("of the platform too", PLATFORM),
        }
        assert (await values(database, "beta"))["mpesa.key"] == ("of the platform", PLATFORM)
        assert "stripe.key" not in await values(database, "alpha")

    async def test_counts_its_values_and_never_goes_back(self, database):
        assert (await put(database, "alpha", "k", "one")).version == 1
        assert (await put(database, "alpha", "k", "two")).version == 2
        assert await remove(database, "alpha", "k")
        assert not await remove(database, "alpha", "k")
        assert await values(database, "alpha") == {}
        assert (await put(database, "alpha", "k", "four")).version == 4
        assert await values(database, "alpha") == {"k": ("four", "alpha")}

    async def test_that_was_removed_gives_way_to_the_platforms(self, database):
        await put(database, PLATFORM, "k", "default")
        await put(database, "alpha", "k", "own")
        await remove(database, "alpha", "k")
        assert await values(database, "alpha") == {"k": ("default", PLATFORM)}

    async def test_that_does_not_open_has_no_default_in_its_place(self, database):
        await put(database, PLATFORM, "k", "default")
        await put(database, "alpha", "k", "own")
        await database.owner.execute(
            "UPDATE secrets SET box = (SELECT box FROM secrets WHERE tenant_id = '*')"
            " WHERE tenant_id = 'alpha'"
        )
        with pytest.raises(Unreadable):
            await values(database, "alpha")
        assert await values(database, "beta") == {"k": ("default", PLATFORM)}

    async def test_of_writers_at_once_has_the_value_of_the_last_version(self, database):
        dsn = login_dsn(database.dsn, APP, APP_PASSWORD)
        async with asyncpg.create_pool(dsn, min_size=8, max_size=8) as pool:

            async def write(value: str) -> SecretRow | None:
                async with tenant_transaction(pool, "alpha") as connection:
                    return await put_secret(
                        connection, OLD, "alpha", "k", value, by="somebody", now=NOW
                    )

            done = await asyncio.gather(*(write(f"value {n}") for n in range(16)))
        written = {each.version: f"value {n}" for n, each in enumerate(done) if each is not None}
        assert set(written) == set(range(1, len(written) + 1))
        assert await values(database, "alpha") == {"k": (written[max(written)], "alpha")}

    async def test_is_not_written_over_a_newer_one(self, database):
        first = await put(database, "alpha", "k", "one")
        await put(database, "alpha", "k", "two")
        stale = dataclasses.replace(first, version=2)
        async with tenant_transaction(database.app, "alpha") as connection:
            assert not await write_secret(connection, stale)

    async def test_shows_in_no_row_of_the_database_nor_in_its_repr(self, database):
        written = await put(database, "alpha", "k", "canary-value")
        await put(database, "alpha", "k", "canary-value", keyring=BOTH)
        rows = await database.owner.fetch("SELECT s::text FROM secrets s")
        assert "canary" not in str(rows)
        assert b"canary".hex() not in str(rows)
        assert "box" not in repr(written)


class TestTheTenantsOfSecrets:
    async def test_are_apart_for_the_app(self, database):
        await put(database, "alpha", "k", "own")
        await put(database, PLATFORM, "k", "default")
        async with tenant_transaction(database.app, "beta") as connection:
            assert await connection.fetchval("SELECT count(*) FROM secrets") == 0
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await put_secret(connection, OLD, "alpha", "k2", "stolen place", by="beta", now=NOW)

    async def test_secrets_cannot_be_moved_or_deleted_by_the_app(self, database):
        await put(database, "alpha", "k", "own")
        for attack in (
            "UPDATE secrets SET tenant_id = 'beta'",
            "DELETE FROM secrets",
            "TRUNCATE secrets",
            "SELECT * FROM master_keys",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with tenant_transaction(database.app, "alpha") as connection:
                    await connection.execute(attack)


class TestRotation:
    async def test_replaces_data_keys_that_are_too_old_and_leaves_the_others(self, database):
        await put(database, "alpha", "old", "a", now=NOW - 91 * DAY)
        await put(database, "alpha", "new", "b", now=NOW - 89 * DAY)
        before = {name: await row(database, "alpha", name) for name in ("old", "new")}
        keeper = _keeper(database, OLD)
        assert await keeper.look() == Rotated(resealed=1)
        after = {name: await row(database, "alpha", name) for name in ("old", "new")}
        assert after["new"] == before["new"]
        assert after["old"].box != before["old"].box
        assert after["old"].wrapped_key != before["old"].wrapped_key
        assert (after["old"].keyed_at, after["old"].version) == (NOW, 1)
        assert after["old"].written_at == NOW - 91 * DAY
        assert await keeper.look() == Rotated()
        assert KEY_AGE._value.get() == timedelta(days=89).total_seconds()
        assert {name: value for name, (value, _) in (await values(database, "alpha")).items()} == {
            "old": "a",
            "new": "b",
        }

    async def test_puts_a_new_master_key_around_data_keys_that_stay(self, database):
        async with database.archiver.acquire() as connection:
            await require_keys(connection, OLD)
            await put(database, "alpha", "k", "a", now=NOW - DAY)
            before = await row(database, "alpha", "k")
            await require_keys(connection, BOTH)
        assert await _keeper(database, BOTH).look() == Rotated(rewrapped=1)
        after = await row(database, "alpha", "k")
        assert (after.box, after.keyed_at) == (before.box, before.keyed_at)
        assert after.master_id == NEW.current_id
        assert await values(database, "alpha", NEW) == {"k": ("a", "alpha")}
        known = await database.owner.fetch("SELECT master_id FROM master_keys")
        assert [each["master_id"] for each in known] == [NEW.current_id]

    async def test_leaves_a_value_alone_that_was_written_meanwhile(self, database):
        await put(database, "alpha", "k", "one", now=NOW - 91 * DAY)
        store = SecretStore(database.archiver, OLD)
        stale = await row(database, "alpha", "k")
        await put(database, "alpha", "k", "two")
        async with database.archiver.acquire() as connection:
            assert await store._rekey(connection, stale, NOW, NOW) == ""
        assert await values(database, "alpha") == {"k": ("two", "alpha")}

    async def test_goes_past_what_does_not_open_and_says_so(self, database):
        for tenant in ("alpha", "beta", "gamma"):
            await put(database, tenant, "k", tenant, now=NOW - 91 * DAY)
        await database.owner.execute(
            "UPDATE secrets SET box = set_byte(box, 20, get_byte(box, 20) # 1)"
            " WHERE tenant_id = 'beta'"
        )
        assert await _keeper(database, OLD).look() == Rotated(resealed=2, unreadable=1)
        assert await values(database, "gamma") == {"k": ("gamma", "gamma")}

    async def test_does_many(self, database):
        async with tenant_transaction(database.app, "alpha") as connection:
            for n in range(230):
                await put_secret(
                    connection, OLD, "alpha", f"k{n}", str(n), by="", now=NOW - 91 * DAY
                )
        assert await _keeper(database, OLD).look() == Rotated(resealed=230)
        found = await values(database, "alpha")
        assert {name: value for name, (value, _) in found.items()} == {
            f"k{n}": str(n) for n in range(230)
        }

    async def test_is_done_by_the_worker_that_has_the_lease(self, database):
        await put(database, "alpha", "k", "a", now=NOW - 91 * DAY)
        running = asyncio.create_task(_keeper(database, OLD).run())
        async with asyncio.timeout(WITHIN_S):
            while (await row(database, "alpha", "k")).keyed_at != NOW:
                await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _keeper(database, keyring) -> KeyKeeper:
    store = SecretStore(database.archiver, keyring)
    return KeyKeeper(database.archiver, store, Owner("test"), now=lambda: NOW)


WORKER = """
import asyncio, sys
from datetime import datetime
from agents.roles.secret_store import SecretStore
from connectors.envelope import Keyring
from tables.postgres.pool import open_pool

async def main(dsn, now):
    pool = await open_pool(dsn, max_size=1)
    store = SecretStore(pool, Keyring(bytes([2]) * 32, [bytes([1]) * 32]))
    print(await store.rotate(datetime.fromisoformat(now), datetime.fromisoformat(now)))

asyncio.run(main(*sys.argv[1:]))
"""


class TestARotationThatIsKilled:
    async def test_half_way_leaves_every_secret_readable_and_is_finished_by_the_next(
        self, database, database_dsn
    ):
        for n in range(6):
            await put(database, "alpha", f"k{n}", f"value {n}", now=NOW - DAY)
        expected = {f"k{n}": (f"value {n}", "alpha") for n in range(6)}
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", WORKER, database_dsn, NOW.isoformat()),
            env={**os.environ, "TREASURY_CRASH_AT": "S16:3"},
            cwd=Path(__file__).parents[3],
        )
        assert await asyncio.wait_for(worker.wait(), WITHIN_S) == -signal.SIGKILL
        by_master = await _by_master(database)
        assert by_master == {OLD.current_id: 3, NEW.current_id: 3}
        assert await values(database, "alpha", BOTH) == expected
        again = await SecretStore(database.archiver, BOTH).rotate(NOW, NOW + DAY)
        assert again == Rotated(resealed=3)
        assert await _by_master(database) == {NEW.current_id: 6}
        assert await values(database, "alpha", NEW) == expected


async def _by_master(database) -> dict[str, int]:
    rows = await database.owner.fetch("SELECT master_id, count(*) FROM secrets GROUP BY 1")
    return dict(rows)


class TestTheKeysOfADatabase:
    async def test_are_those_that_it_saw_first_or_that_name_them(self, database):
        async with database.archiver.acquire() as connection:
            await require_keys(connection, OLD)
            await require_keys(connection, OLD)
            with pytest.raises(Misconfigured, match="not one this database knows"):
                await require_keys(connection, OTHER)
            await require_keys(connection, BOTH)
            await require_keys(connection, NEW)  # nothing was sealed under the old one

    async def test_must_open_all_that_is_sealed(self, database):
        async with database.archiver.acquire() as connection:
            await require_keys(connection, OLD)
            await require_keys(connection, BOTH)
            await put(database, "alpha", "k", "a", keyring=OLD)
            with pytest.raises(Misconfigured, match=OLD.current_id):
                await require_keys(connection, NEW)

"""Where keys and passwords come from: settings, files, Vault; passwords anew for each login."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from pydantic import ValidationError

from compose.credentials import Credentials, resolved
from compose.serve import migrate_database
from compose.settings import Settings, new_master_key
from connectors.vault.fake import FakeVault
from streams.errors import Misconfigured, Unavailable
from tables.postgres.pool import APP, ARCHIVER, login_dsn, open_pool

KEY = new_master_key()


@pytest_asyncio.fixture
async def vault() -> AsyncIterator[FakeVault]:
    vault = FakeVault("hvs.canary")
    await vault.start()
    yield vault
    await vault.close()


def _settings(vault: FakeVault, **others) -> Settings:
    return Settings(
        **{"vault_url": vault.base_url, "vault_token": "hvs.canary", **others},
    )


class TestVault:
    async def test_has_the_keys_that_the_settings_lack(self, vault):
        vault.put("treasury", master_key=KEY, app_password="from-vault")
        async with Credentials(_settings(vault, partitions=3)) as credentials:
            assert credentials.settings.partitions == 3
            key = Settings(master_key=KEY).derived_key("x")
            assert credentials.settings.derived_key("x") == key
            assert await credentials.password(APP) == "from-vault"
            derived = credentials.settings.password(ARCHIVER)
            assert await credentials.password(ARCHIVER) == derived

    async def test_comes_after_what_the_settings_say(self, vault, tmp_path):
        vault.put("treasury", master_key=KEY, app_password="x", archiver_password="x")
        (tmp_path / "archiver").write_text("of the file")
        own = new_master_key()
        given = {
            "master_key": own,
            "app_password": "of the settings",
            "archiver_password_file": tmp_path / "archiver",
        }
        async with Credentials(_settings(vault, **given)) as credentials:
            assert credentials.settings.derived_keys("x") == [
                Settings(master_key=own).derived_key("x")
            ]
            assert await credentials.password(APP) == "of the settings"
            assert await credentials.password(ARCHIVER) == "of the file"

    async def test_tells_a_command_all_at_once(self, vault):
        vault.put("treasury", master_key=KEY, app_password="a", archiver_password="b")
        settings = await resolved(_settings(vault))
        assert (settings.password(APP), settings.password(ARCHIVER)) == ("a", "b")

    async def test_token_may_stand_in_a_file(self, vault, tmp_path):
        vault.put("treasury", master_key=KEY)
        (tmp_path / "token").write_text("hvs.canary\n")
        settings = Settings(vault_url=vault.base_url, vault_token_file=tmp_path / "token")
        assert (await resolved(settings)).derived_key("x")

    async def test_with_a_bad_key_or_no_token_is_refused_without_repeating_it(self, vault):
        vault.put("treasury", master_key="canary-no-key")
        with pytest.raises(ValidationError) as refused:
            await resolved(_settings(vault))
        assert "canary" not in str(refused.value)
        with pytest.raises(Misconfigured, match="TREASURY_VAULT_TOKEN"):
            await resolved(Settings(vault_url=vault.base_url))

    async def test_that_is_sealed_is_an_outage(self, vault):
        vault.put("treasury", master_key=KEY)
        vault.sealed = True
        with pytest.raises(Unavailable):
            await resolved(_settings(vault))


class TestAPasswordThatChanges:
    async def test_lets_the_next_connection_in_without_a_restart(self, vault, database_dsn):
        vault.put("treasury", master_key=KEY, app_password="old", archiver_password="a")
        async with Credentials(_settings(vault, postgres_dsn=database_dsn)) as credentials:
            await migrate_database(await resolved(_settings(vault, postgres_dsn=database_dsn)))
            pool = await open_pool(
                credentials.settings.app_dsn,
                max_size=2,
                password=lambda: credentials.password(APP),
            )
            try:
                async with pool.acquire() as first:
                    vault.put("treasury", master_key=KEY, app_password="new", archiver_password="a")
                    changed = await resolved(_settings(vault, postgres_dsn=database_dsn))
                    await migrate_database(changed)
                    async with pool.acquire() as second:
                        assert await second.fetchval("SELECT 2") == 2
                    assert await first.fetchval("SELECT 1") == 1
                with pytest.raises(asyncpg.InvalidPasswordError):
                    await open_pool(login_dsn(database_dsn, APP, "old"), max_size=1)
            finally:
                await pool.close()

import asyncio
from pathlib import Path

import asyncpg
import pytest

from streams.errors import Misconfigured
from tables.postgres.migrate import migrate, read_migrations, require_current
from tables.postgres.passwords import scram_verifier
from tables.postgres.pool import login_dsn

FIRST = "CREATE TABLE first_thing (id int);"
ROLES = read_migrations()[0].sql


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_archive.sql").write_text(ROLES)
    (tmp_path / "0002_first.sql").write_text(FIRST)
    return tmp_path


class TestMigrate:
    async def test_applies_each_file_once(self, database_dsn):
        assert await migrate(database_dsn) == [m.name for m in read_migrations()]
        assert await migrate(database_dsn) == []

    async def test_two_at_once_apply_each_file_once(self, database_dsn):
        applied = await asyncio.gather(migrate(database_dsn), migrate(database_dsn))
        assert sorted(map(len, applied)) == [0, len(read_migrations())]

    async def test_applies_a_new_file_later(self, database_dsn, folder):
        await migrate(database_dsn, folder=folder)
        (folder / "0003_second.sql").write_text("CREATE TABLE second_thing (id int);")
        assert await migrate(database_dsn, folder=folder) == ["0003_second.sql"]

    async def test_refuses_a_changed_file(self, database_dsn, folder):
        await migrate(database_dsn, folder=folder)
        (folder / "0002_first.sql").write_text(FIRST + " -- changed")
        with pytest.raises(Misconfigured, match="0002_first"):
            await migrate(database_dsn, folder=folder)

    async def test_refuses_a_newer_schema(self, database_dsn, folder):
        await migrate(database_dsn, folder=folder)
        (folder / "0002_first.sql").unlink()
        with pytest.raises(Misconfigured, match="newer"):
            await migrate(database_dsn, folder=folder)

    async def test_a_failing_file_leaves_nothing_behind(self, database_dsn, folder):
        (folder / "0003_broken.sql").write_text("CREATE TABLE half (id int); SELECT 1/0;")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await migrate(database_dsn, folder=folder)
        connection = await asyncpg.connect(database_dsn)
        assert await connection.fetchval("SELECT to_regclass('schema_migrations')") is None
        assert await connection.fetchval("SELECT to_regclass('half')") is None
        await connection.close()

    def test_refuses_a_gap_in_the_numbers(self, folder):
        (folder / "0004_late.sql").write_text("SELECT 1;")
        with pytest.raises(Misconfigured, match="0004_late"):
            read_migrations(folder)

    async def test_a_worker_refuses_a_schema_that_lacks_a_file(self, database_dsn, folder):
        connection = await asyncpg.connect(database_dsn)
        with pytest.raises(Misconfigured, match="treasury migrate"):
            await require_current(connection)
        await migrate(database_dsn)
        await require_current(connection)
        await connection.close()


class TestPasswords:
    async def test_lets_in_with_the_given_password_only(self, database_dsn):
        await migrate(database_dsn, app_password="the right one")
        connection = await asyncpg.connect(login_dsn(database_dsn, "treasury_app", "the right one"))
        assert await connection.fetchval("SELECT current_user") == "treasury_app"
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(login_dsn(database_dsn, "treasury_app", "the wrong one"))

    @pytest.mark.parametrize("password", ["", "pass\nword", "pässword"])
    def test_refuses_what_clients_would_normalise_differently(self, password):
        with pytest.raises(ValueError, match="printable ASCII"):
            scram_verifier(password)

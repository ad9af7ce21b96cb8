"""Attacks on the border between tenants, with the app's own login."""

import asyncio

import asyncpg
import pytest

from streams.errors import Misconfigured
from tables.postgres.isolation import isolation_faults, require_isolation
from tables.postgres.pool import APP, login_dsn, tenant_transaction
from tests.databases import APP_PASSWORD

ENTRY = """INSERT INTO entries VALUES ($1, 'event', 0, $2, 0, 1, 0, 0, 0, 'applied', '', 'nats',
    'pos.order.completed', now(), '{}')"""
DEAD = """INSERT INTO dead_letters
    (id, partition, seq, ordinal, tenant_id, event_id, event_type, reason, ingress, raw,
     received_at)
    VALUES ($1, 0, 0, 0, $2, '', '', 'unreadable', 'nats', '', now())"""
MODELS = ("entries", "postings", "emitted", "resources", "dead_letters")


@pytest.fixture
async def two_tenants(database):
    for seq, tenant in enumerate(("alpha", "beta", "")):
        await database.archiver.execute(ENTRY, tenant, seq)
    return database


async def tenants_seen(connection) -> set[str]:
    return {row[0] for row in await connection.fetch("SELECT tenant_id FROM entries")}


class TestTheCatalog:
    async def test_has_no_fault(self, database):
        async with database.app.acquire() as connection:
            await require_isolation(connection)

    async def test_the_models_are_guarded_and_belong_to_the_owner(self, database):
        rows = await database.owner.fetch(
            """SELECT relname, relrowsecurity, relforcerowsecurity,
                      pg_get_userbyid(relowner) AS owner
               FROM pg_class WHERE relname = ANY ($1) AND relkind = 'r'""",
            MODELS,
        )
        assert len(rows) == len(MODELS)
        for row in rows:
            assert row["relrowsecurity"]
            assert row["relforcerowsecurity"]
            assert not row["owner"].startswith("treasury_")

    @pytest.mark.parametrize(
        ("sabotage", "fault"),
        [
            ("ALTER TABLE entries NO FORCE ROW LEVEL SECURITY", "entries has tenants"),
            ("ALTER TABLE postings DISABLE ROW LEVEL SECURITY", "postings has tenants"),
            ("CREATE TABLE notes (tenant_id text)", "notes has tenants"),
            ("GRANT SELECT ON raw_records TO treasury_app", "raw_records is open"),
            ("GRANT SELECT ON images TO PUBLIC", "images is open"),
            ("GRANT TRUNCATE ON entries TO treasury_app", "entries may be truncated"),
            ("ALTER TABLE entries OWNER TO treasury_app", "entries is owned by treasury_app"),
            ("CREATE POLICY all_of_it ON entries USING (true)", "entries has a policy for every"),
            (
                "CREATE VIEW peek AS SELECT * FROM entries; GRANT SELECT ON peek TO treasury_app",
                "peek is a view with the rights",
            ),
            (
                "CREATE FUNCTION peek() RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1'",
                "peek runs with the rights",
            ),
        ],
    )
    async def test_names_each_fault(self, database, sabotage, fault):
        await database.owner.execute(sabotage)
        async with database.app.acquire() as connection:
            assert any(fault in found for found in await isolation_faults(connection))
            with pytest.raises(Misconfigured, match=fault):
                await require_isolation(connection)


class TestTheAppLogin:
    async def test_sees_nothing_without_a_tenant(self, two_tenants):
        for model in MODELS:
            assert await two_tenants.app.fetchval(f"SELECT count(*) FROM {model}") == 0

    async def test_sees_its_tenant_and_no_other(self, two_tenants):
        async with tenant_transaction(two_tenants.app, "alpha") as connection:
            assert await tenants_seen(connection) == {"alpha"}

    async def test_the_next_user_of_the_connection_starts_without_a_tenant(self, two_tenants):
        async with tenant_transaction(two_tenants.app, "alpha") as connection:
            first = await connection.fetchval("SELECT pg_backend_pid()")
        async with two_tenants.app.acquire() as connection:
            assert await connection.fetchval("SELECT pg_backend_pid()") == first
            assert await tenants_seen(connection) == set()
        async with tenant_transaction(two_tenants.app, "beta") as connection:
            assert await tenants_seen(connection) == {"beta"}

    async def test_the_tenant_ends_with_the_transaction_even_if_nobody_resets(self, two_tenants):
        async def no_reset(_connection) -> None:
            """As behind a pooler that hands a connection on as it is."""

        dsn = login_dsn(two_tenants.dsn, APP, APP_PASSWORD)
        async with asyncpg.create_pool(dsn, min_size=1, max_size=1, reset=no_reset) as pool:
            async with tenant_transaction(pool, "alpha") as connection:
                assert await tenants_seen(connection) == {"alpha"}
            assert await pool.fetchval("SELECT count(*) FROM entries") == 0

    async def test_a_cancelled_request_leaves_no_tenant_behind(self, two_tenants):
        began = asyncio.Event()

        async def request() -> None:
            async with tenant_transaction(two_tenants.app, "alpha") as connection:
                began.set()
                await connection.execute("SELECT pg_sleep(60)")

        task = asyncio.create_task(request())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await two_tenants.app.fetchval("SELECT count(*) FROM entries") == 0
        async with tenant_transaction(two_tenants.app, "beta") as connection:
            assert await tenants_seen(connection) == {"beta"}

    async def test_a_failed_request_leaves_no_tenant_behind(self, two_tenants):
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with tenant_transaction(two_tenants.app, "alpha") as connection:
                await connection.execute("SELECT 1/0")
        assert await two_tenants.app.fetchval("SELECT count(*) FROM entries") == 0

    async def test_a_tenant_set_outside_a_transaction_has_no_effect(self, two_tenants):
        async with two_tenants.app.acquire() as connection:
            await connection.execute("SELECT set_config('app.tenant_id', 'alpha', true)")
            assert await tenants_seen(connection) == set()

    @pytest.mark.parametrize("tenant", ["", "al\x00pha"])
    async def test_refuses_what_is_no_tenant(self, database, tenant):
        with pytest.raises(ValueError, match="tenant id"):
            async with tenant_transaction(database.app, tenant):
                pass

    @pytest.mark.parametrize("tenant", ["' OR true --", "alpha' OR tenant_id <> '", "%", "*"])
    async def test_a_strange_tenant_matches_nobody(self, two_tenants, tenant):
        async with tenant_transaction(two_tenants.app, tenant) as connection:
            assert await tenants_seen(connection) == set()

    async def test_cannot_write_the_read_models(self, two_tenants):
        for statement in (
            "DELETE FROM entries",
            "UPDATE entries SET status = 'x'",
            "TRUNCATE entries",
            "DROP TABLE entries",
            "ALTER TABLE entries DISABLE ROW LEVEL SECURITY",
            "SET ROLE treasury_archiver",
            "CREATE TABLE mine (id int)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with tenant_transaction(two_tenants.app, "alpha") as connection:
                    await connection.execute(statement)

    async def test_even_a_grant_does_not_let_rows_cross(self, two_tenants):
        await two_tenants.owner.execute("GRANT INSERT, UPDATE ON entries TO treasury_app")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with tenant_transaction(two_tenants.app, "alpha") as connection:
                await connection.execute(ENTRY, "beta", 9)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with tenant_transaction(two_tenants.app, "alpha") as connection:
                await connection.execute("UPDATE entries SET tenant_id = 'beta'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await two_tenants.app.execute(ENTRY, "alpha", 9)
        async with tenant_transaction(two_tenants.app, "alpha") as connection:
            await connection.execute(ENTRY, "alpha", 9)

    async def test_cannot_read_the_archive(self, database):
        for table in ("raw_records", "images", "calls", "quarantined"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await database.app.fetch(f"SELECT * FROM {table}")

    async def test_never_sees_a_dead_letter_without_a_tenant(self, database):
        await database.archiver.execute(DEAD, "0-0-0", None)
        await database.archiver.execute(DEAD, "0-0-1", "alpha")
        async with tenant_transaction(database.app, "alpha") as connection:
            seen = await connection.fetch("SELECT id FROM dead_letters")
        assert [row["id"] for row in seen] == ["0-0-1"]
        assert await database.archiver.fetchval("SELECT count(*) FROM dead_letters") == 2


class TestTheArchiverLogin:
    async def test_cannot_change_or_remove_raw_records(self, database):
        for statement in ("UPDATE raw_records SET bytes = ''", "DELETE FROM raw_records"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await database.archiver.execute(statement)


class TestKeys:
    """What is unique is unique within a tenant: a clash tells nobody what another one has."""

    async def test_of_what_the_app_writes_begin_with_the_tenant_or_name_it(self, database):
        rows = await database.owner.fetch(
            """SELECT c.relname AS name, i.relname AS key,
                      (SELECT array_agg(a.attname) FROM pg_attribute a
                       WHERE a.attrelid = c.oid AND a.attnum = ANY (x.indkey)) AS members
               FROM pg_index x
               JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
               WHERE x.indisunique AND has_table_privilege('treasury_app', c.oid, 'INSERT')"""
        )
        assert {row["name"] for row in rows} >= {"api_keys", "secrets", "webhook_endpoints"}
        # A wallet is public, and its money must not be counted for two.
        others = [row["key"] for row in rows if "tenant_id" not in row["members"]]
        assert others == ["chain_wallets_pkey"]

    async def test_no_foreign_key_looks_across_tenants(self, database):
        rows = await database.owner.fetch(
            """SELECT conname, conrelid::regclass::text AS name,
                      (SELECT array_agg(a.attname) FROM pg_attribute a
                       WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)) AS members
               FROM pg_constraint k WHERE contype = 'f'
                 AND has_table_privilege('treasury_app', conrelid, 'INSERT')"""
        )
        # A master key is the platform's own, and no row of a tenant.
        across = [row for row in rows if "tenant_id" not in row["members"]]
        assert {row["name"] for row in across} <= {"secrets"}

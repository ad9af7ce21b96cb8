"""What the catalog must say for tenants to be apart; checked at start and by the tests.

Looks at everything that is there, so a table added later without a policy is found too.
"""

import asyncpg

from streams.errors import Misconfigured

# The only tables treasury_app may read that have no tenant: positions, not business.
OPEN_TABLES = ("cluster", "progress", "schema_migrations")

_ROLES = """
    SELECT 'role ' || rolname || ' bypasses row-level security'
    FROM pg_roles
    WHERE rolname IN ('treasury_app', 'treasury_archiver', 'treasury_auditor')
      AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)
    UNION ALL
    SELECT 'role treasury_app is a member of ' || other.rolname
    FROM pg_auth_members m
    JOIN pg_roles me ON me.oid = m.member AND me.rolname = 'treasury_app'
    JOIN pg_roles other ON other.oid = m.roleid
    UNION ALL
    SELECT 'role ' || wanted || ' is missing'
    FROM unnest(ARRAY['treasury_app', 'treasury_archiver', 'treasury_auditor']) AS wanted
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted)
"""

_TABLES = """
    WITH tables AS (
        SELECT c.oid, c.relname, c.relkind, c.relrowsecurity AND c.relforcerowsecurity AS guarded,
               c.reloptions, pg_get_userbyid(c.relowner) AS owner,
               EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
                       AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS of_tenants,
               has_table_privilege('treasury_app', c.oid,
                                   'SELECT, INSERT, UPDATE, DELETE, REFERENCES, TRIGGER') AS open
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
          AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
    )
    SELECT relname || ' is owned by ' || owner FROM tables WHERE owner LIKE 'treasury\\_%'
    UNION ALL
    SELECT relname || ' has tenants but no forced row-level security'
    FROM tables WHERE of_tenants AND relkind IN ('r', 'p') AND NOT guarded
    UNION ALL
    SELECT relname || ' is open to treasury_app without row-level security'
    FROM tables WHERE open AND relkind IN ('r', 'p', 'm', 'f') AND NOT guarded
      AND relname <> ALL ($1::text[])
    UNION ALL
    SELECT relname || ' is a view with the rights of its owner'
    FROM tables WHERE open AND relkind = 'v'
      AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)
    UNION ALL
    SELECT relname || ' may be truncated by ' || role
    FROM tables, unnest(ARRAY['treasury_app', 'treasury_archiver', 'treasury_auditor']) AS role
    WHERE relkind IN ('r', 'p') AND has_table_privilege(role, oid, 'TRUNCATE')
    UNION ALL
    SELECT relname || ' has a policy for everybody'
    FROM tables JOIN pg_policy p ON p.polrelid = tables.oid WHERE 0 = ANY (p.polroles)
"""

_FUNCTIONS = """
    SELECT proname || ' runs with the rights of its owner'
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.prosecdef
      AND has_function_privilege('treasury_app', p.oid, 'EXECUTE')
"""


async def isolation_faults(connection: asyncpg.Connection) -> list[str]:
    """Every way in which the catalog lets one tenant see another; empty when it is right."""
    roles = await connection.fetch(_ROLES)
    if any(row[0].endswith("is missing") for row in roles):
        return [row[0] for row in roles]
    tables = await connection.fetch(_TABLES, list(OPEN_TABLES))
    functions = await connection.fetch(_FUNCTIONS)
    return [row[0] for row in (*roles, *tables, *functions)]


async def require_isolation(connection: asyncpg.Connection) -> None:
    """Raise `Misconfigured` naming every fault."""
    faults = await isolation_faults(connection)
    if faults:
        raise Misconfigured("tenants are not apart: " + "; ".join(faults))

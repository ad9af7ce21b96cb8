-- Configuration: secrets as sealed bytes, the master keys that may have sealed them, and who
-- changed what. None of it can be rebuilt from the log; all of it is in the backup of Postgres.

-- Ids only: a worker whose keys are not these would seal what nobody else can open.
CREATE TABLE master_keys (
    master_id      text PRIMARY KEY,
    registered_at  timestamptz NOT NULL DEFAULT now()
);

-- One row a name; tenant_id '*' is the platform's default. A removed secret keeps its row: its
-- next value must not bear a version that another sealed box was bound to.
CREATE TABLE secrets (
    tenant_id    text NOT NULL,
    name         text NOT NULL,
    version      integer NOT NULL CHECK (version > 0),
    master_id    text,
    wrapped_key  bytea,
    box          bytea,
    fingerprint  text NOT NULL,
    keyed_at     timestamptz NOT NULL,
    written_at   timestamptz NOT NULL,
    written_by   text NOT NULL,
    PRIMARY KEY (tenant_id, name),
    CHECK ((master_id IS NULL) = (box IS NULL) AND (box IS NULL) = (wrapped_key IS NULL))
);
CREATE INDEX secrets_by_master ON secrets (master_id) WHERE master_id IS NOT NULL;

-- What people did that is not in the ledger's log. Nobody may change or remove a line.
CREATE TABLE audit_log (
    tenant_id   text NOT NULL,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor       text NOT NULL,
    action      text NOT NULL,
    resource    text NOT NULL,
    detail      jsonb NOT NULL,
    request_id  text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX audit_log_by_time ON audit_log (tenant_id, at, id);

-- Commands are audited by the log itself: who asked for one stands beside its entry.
ALTER TABLE entries ADD COLUMN actor text;
CREATE INDEX entries_by_actor ON entries (tenant_id, decided_at) WHERE actor IS NOT NULL;

-- Keys of services, as hashes: of two, one is on its way out. The app finds one by its tenant.
CREATE TABLE api_keys (
    tenant_id       text NOT NULL,
    key_id          text NOT NULL,
    name            text NOT NULL,
    mode            text NOT NULL CHECK (mode IN ('live', 'test')),
    scopes          text[] NOT NULL,
    secret_hash     bytea NOT NULL,
    previous_hash   bytea,
    previous_until  timestamptz,
    created_at      timestamptz NOT NULL,
    created_by      text NOT NULL,
    rotated_at      timestamptz NOT NULL,
    expires_at      timestamptz,
    revoked_at      timestamptz,
    PRIMARY KEY (tenant_id, key_id),
    CHECK ((previous_hash IS NULL) = (previous_until IS NULL))
);

-- Who has called, by verified claims: the names behind the actors of the audit log.
CREATE TABLE users (
    tenant_id   text NOT NULL,
    subject     text NOT NULL,
    name        text NOT NULL,
    email       text NOT NULL,
    roles       text[] NOT NULL,
    first_seen  timestamptz NOT NULL,
    last_seen   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, subject)
);

REVOKE ALL ON master_keys, secrets, audit_log, api_keys, users FROM PUBLIC;
GRANT SELECT, INSERT, DELETE ON master_keys TO treasury_archiver;
GRANT SELECT, INSERT, UPDATE ON secrets TO treasury_app;
GRANT SELECT, UPDATE ON secrets TO treasury_archiver;
GRANT SELECT (tenant_id, name, version, master_id, fingerprint, keyed_at, written_at, written_by)
    ON secrets TO treasury_auditor;
GRANT SELECT, INSERT ON audit_log TO treasury_app, treasury_archiver;
GRANT SELECT, INSERT, UPDATE ON api_keys, users TO treasury_app;
GRANT SELECT (tenant_id, key_id, name, mode, scopes, previous_until, created_at, created_by,
              rotated_at, expires_at, revoked_at) ON api_keys TO treasury_auditor;
GRANT SELECT ON master_keys, audit_log, users TO treasury_auditor;

DO $$
DECLARE
    guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY['secrets', 'audit_log', 'api_keys', 'users'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', guarded);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', guarded);
        EXECUTE format(
            'CREATE POLICY tenant ON %I TO treasury_app
             USING (tenant_id = NULLIF(current_setting(''app.tenant_id'', true), ''''))
             WITH CHECK (tenant_id = NULLIF(current_setting(''app.tenant_id'', true), ''''))', guarded);
        EXECUTE format(
            'CREATE POLICY archiver ON %I TO treasury_archiver USING (true) WITH CHECK (true)', guarded);
        EXECUTE format(
            'CREATE POLICY auditor ON %I FOR SELECT TO treasury_auditor USING (true)', guarded);
    END LOOP;
END
$$;

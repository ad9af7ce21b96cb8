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

-- Tenants' own addresses for our events. The signing secrets stand in `secrets`.
CREATE TABLE webhook_endpoints (
    tenant_id        text NOT NULL,
    endpoint_id      text NOT NULL,
    url              text NOT NULL,
    event_types      text[] NOT NULL,  -- empty: all
    description      text NOT NULL,
    status           text NOT NULL CHECK (status IN ('enabled', 'disabled', 'deleted')),
    disabled_reason  text NOT NULL DEFAULT '',
    previous_until   timestamptz,      -- the secret before is used until then
    created_at       timestamptz NOT NULL,
    created_by       text NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, endpoint_id)
);

-- One event on its way to one endpoint; `history` has every attempt.
CREATE TABLE webhook_deliveries (
    tenant_id     text NOT NULL,
    endpoint_id   text NOT NULL,
    event_id      text NOT NULL,
    event_type    text NOT NULL,
    partition     integer NOT NULL,
    body          bytea NOT NULL,
    state         text NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts      integer NOT NULL DEFAULT 0,
    history       jsonb NOT NULL DEFAULT '[]',
    created_at    timestamptz NOT NULL,
    next_at       timestamptz NOT NULL,
    delivered_at  timestamptz,
    PRIMARY KEY (tenant_id, endpoint_id, event_id)
) WITH (fillfactor = 70);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (partition, next_at)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries
    (tenant_id, endpoint_id, created_at, event_id);
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (partition, created_at);

REVOKE ALL ON master_keys, secrets, audit_log, api_keys, users, webhook_endpoints,
    webhook_deliveries FROM PUBLIC;
GRANT SELECT, INSERT, DELETE ON master_keys TO treasury_archiver;
GRANT SELECT, INSERT, UPDATE ON secrets TO treasury_app;
GRANT SELECT, UPDATE ON secrets TO treasury_archiver;
GRANT SELECT (tenant_id, name, version, master_id, fingerprint, keyed_at, written_at, written_by)
    ON secrets TO treasury_auditor;
GRANT SELECT, INSERT ON audit_log TO treasury_app, treasury_archiver;
GRANT SELECT, INSERT, UPDATE ON api_keys, users, webhook_endpoints, webhook_deliveries
    TO treasury_app;
GRANT SELECT, UPDATE ON webhook_endpoints TO treasury_archiver;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_deliveries TO treasury_archiver;
GRANT SELECT (tenant_id, key_id, name, mode, scopes, previous_until, created_at, created_by,
              rotated_at, expires_at, revoked_at) ON api_keys TO treasury_auditor;
GRANT SELECT ON master_keys, audit_log, users, webhook_endpoints, webhook_deliveries
    TO treasury_auditor;

DO $$
DECLARE
    guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY['secrets', 'audit_log', 'api_keys', 'users',
                                  'webhook_endpoints', 'webhook_deliveries'] LOOP
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

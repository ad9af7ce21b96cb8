-- Read models: raw records taken apart for lists, history and statements. All can be rebuilt.
-- Rows of an event whose tenant cannot be told have tenant_id '' (dead letters: NULL); no tenant
-- sees those, because a policy never matches an empty or missing app.tenant_id.

CREATE TABLE entries (
    tenant_id   text NOT NULL,
    event_id    text NOT NULL,
    partition   integer NOT NULL,
    seq         bigint NOT NULL,
    ordinal     integer NOT NULL,
    log         bigint NOT NULL,
    log_offset  bigint NOT NULL,
    log_index   integer NOT NULL,
    step        integer NOT NULL,
    status      text NOT NULL,
    reason      text NOT NULL,
    ingress     text NOT NULL,
    event_type  text NOT NULL,
    decided_at  timestamptz NOT NULL,
    raw         bytea NOT NULL,
    PRIMARY KEY (tenant_id, partition, seq, ordinal)
);
CREATE INDEX entries_by_event ON entries (tenant_id, event_id);

CREATE TABLE postings (
    tenant_id   text NOT NULL,
    partition   integer NOT NULL,
    seq         bigint NOT NULL,
    ordinal     integer NOT NULL,
    leg         integer NOT NULL,
    account     text NOT NULL,
    asset       text NOT NULL,
    minor       numeric(80, 0) NOT NULL,
    dimensions  jsonb NOT NULL,
    decided_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, partition, seq, ordinal, leg)
);
CREATE INDEX postings_by_account ON postings (tenant_id, account, asset, decided_at);

CREATE TABLE emitted (
    tenant_id        text NOT NULL,
    event_id         text NOT NULL,
    event_type       text NOT NULL,
    source_event_id  text NOT NULL,
    partition        integer NOT NULL,
    seq              bigint NOT NULL,
    ordinal          integer NOT NULL,
    body             bytea NOT NULL,
    PRIMARY KEY (tenant_id, event_id)
);
CREATE INDEX emitted_by_source ON emitted (tenant_id, source_event_id);

-- Business rows as they are now, or as they were when they left the working set.
CREATE TABLE resources (
    tenant_id    text NOT NULL,
    kind         text NOT NULL,
    id           text NOT NULL,
    partition    integer NOT NULL,
    seq          bigint NOT NULL,
    status       text NOT NULL,
    asset        text NOT NULL,
    order_id     text NOT NULL,
    customer_id  text NOT NULL,
    invoice_id   text NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    body         jsonb NOT NULL,
    PRIMARY KEY (tenant_id, kind, id)
) WITH (fillfactor = 80);
CREATE INDEX resources_by_age ON resources (tenant_id, kind, created_at);
CREATE INDEX resources_by_order ON resources (tenant_id, order_id) WHERE order_id <> '';
CREATE INDEX resources_by_customer ON resources (tenant_id, customer_id) WHERE customer_id <> '';

CREATE TABLE dead_letters (
    id               text PRIMARY KEY,
    partition        integer NOT NULL,
    seq              bigint NOT NULL,
    ordinal          integer NOT NULL,
    tenant_id        text,
    event_id         text NOT NULL,
    event_type       text NOT NULL,
    reason           text NOT NULL,
    ingress          text NOT NULL,
    raw              bytea NOT NULL,
    received_at      timestamptz NOT NULL,
    redrive_attempt  integer NOT NULL DEFAULT 0,
    redrive_status   text
);
CREATE INDEX dead_letters_by_event ON dead_letters (tenant_id, event_id);
CREATE INDEX dead_letters_by_age ON dead_letters (tenant_id, received_at, id);

DO $$
DECLARE
    model text;
BEGIN
    FOREACH model IN ARRAY ARRAY['entries', 'postings', 'emitted', 'resources', 'dead_letters'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', model);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', model);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', model);
        EXECUTE format('GRANT SELECT ON %I TO treasury_app, treasury_auditor', model);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO treasury_archiver', model);
        EXECUTE format(
            'CREATE POLICY tenant ON %I TO treasury_app
             USING (tenant_id = NULLIF(current_setting(''app.tenant_id'', true), ''''))
             WITH CHECK (tenant_id = NULLIF(current_setting(''app.tenant_id'', true), ''''))', model);
        EXECUTE format(
            'CREATE POLICY archiver ON %I TO treasury_archiver USING (true) WITH CHECK (true)', model);
        EXECUTE format(
            'CREATE POLICY auditor ON %I FOR SELECT TO treasury_auditor USING (true)', model);
    END LOOP;
END
$$;

-- Messages to payers. No address of anybody is in the log: contacts are rows that can be erased, and
-- a message names its customer, who is looked up when it is sent.

-- Which payments paid an invoice, also those that found it later: pages of invoices show them.
CREATE INDEX resources_placements ON resources USING gin ((body -> 'placements') jsonb_path_ops)
    WHERE kind = 'pi';

-- Whom a tenant's customers are, and how they want to be written to.
CREATE TABLE contacts (
    tenant_id    text        NOT NULL,
    customer_id  text        NOT NULL,
    name         text        NOT NULL,
    email        text        NOT NULL,
    phone        text        NOT NULL,
    channels     text[]      NOT NULL,
    version      integer     NOT NULL,
    written_at   timestamptz NOT NULL,
    written_by   text        NOT NULL,
    PRIMARY KEY (tenant_id, customer_id)
);

-- One event, said to one customer by one channel. `body` is the event; since `doubtful_since` it may
-- have been sent; `round` counts how often it was begun anew after the service said that it failed.
CREATE TABLE messages (
    tenant_id       text        NOT NULL,
    event_id        text        NOT NULL,
    channel         text        NOT NULL,
    event_type      text        NOT NULL,
    template        text        NOT NULL,
    reference_type  text        NOT NULL,
    reference_id    text        NOT NULL,
    customer_id     text        NOT NULL,
    partition       integer     NOT NULL,
    body            bytea       NOT NULL,
    state           text        NOT NULL CHECK (state IN ('pending', 'accepted', 'sent', 'failed',
                                                          'parked', 'withdrawn')),
    reason          text        NOT NULL DEFAULT '',
    attempts        integer     NOT NULL DEFAULT 0,
    round           integer     NOT NULL DEFAULT 0,
    history         jsonb       NOT NULL DEFAULT '[]',
    doubtful_since  timestamptz,
    request_id      text        NOT NULL DEFAULT '',
    reported_at     timestamptz,
    created_at      timestamptz NOT NULL,
    next_at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, event_id, channel)
) WITH (fillfactor = 70);
CREATE INDEX messages_due ON messages (partition, next_at) WHERE state = 'pending';
CREATE INDEX messages_by_age ON messages (tenant_id, created_at, event_id, channel);
CREATE INDEX messages_by_reference ON messages (tenant_id, reference_type, reference_id);
CREATE INDEX messages_old ON messages (partition, created_at);

REVOKE ALL ON contacts, messages FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON contacts TO treasury_app;
GRANT SELECT ON contacts TO treasury_archiver;
GRANT SELECT (tenant_id, customer_id, channels, version, written_at, written_by) ON contacts
    TO treasury_auditor;
GRANT SELECT, UPDATE ON messages TO treasury_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON messages TO treasury_archiver;
GRANT SELECT ON messages TO treasury_auditor;

DO $$
DECLARE
    guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY['contacts', 'messages'] LOOP
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

-- The archive: what a lost Kafka is restored from, and what every role after the writer reads.
-- None of these tables is for tenants: treasury_app gets nothing here but progress and cluster.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['treasury_app', 'treasury_archiver', 'treasury_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- roles belong to the whole server: another database's migration was quicker
            END;
        END IF;
    END LOOP;
END
$$;

CREATE TABLE cluster (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    partitions  integer NOT NULL CHECK (partitions > 0),
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- One journal record that counts, as its bytes are; (first, next) is the inbound it covers.
CREATE TABLE raw_records (
    partition       integer NOT NULL,
    seq             bigint NOT NULL,
    log             bigint NOT NULL,
    journal_offset  bigint NOT NULL,
    first_offset    bigint NOT NULL,
    first_index     integer NOT NULL,
    next_offset     bigint NOT NULL,
    next_index      integer NOT NULL,
    hash            bytea NOT NULL,
    bytes           bytea NOT NULL,
    PRIMARY KEY (partition, seq)
);

-- The last value of every row that still exists. An index cannot hold a key of any length: `slot`
-- is the key, or for a long one its beginning and SHA-256, and then `long_key` is the key.
CREATE TABLE images (
    partition  integer NOT NULL,
    slot       bytea NOT NULL,
    long_key   bytea,
    seq        bigint NOT NULL,
    bytes      bytea NOT NULL,
    PRIMARY KEY (partition, slot)
) WITH (fillfactor = 80);

-- lz4 costs the writer a tenth of what the default costs; a server built without it keeps that.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_settings
               WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        ALTER TABLE raw_records ALTER COLUMN bytes SET COMPRESSION lz4;
        ALTER TABLE images ALTER COLUMN bytes SET COMPRESSION lz4;
    END IF;
END
$$;

-- How far a role has come in a partition, and who may go on. `seq` is the fence.
CREATE TABLE progress (
    role            text NOT NULL,
    partition       integer NOT NULL,
    seq             bigint NOT NULL DEFAULT -1,
    journal_offset  bigint NOT NULL DEFAULT -1,
    next_log        bigint NOT NULL DEFAULT 0,
    next_offset     bigint NOT NULL DEFAULT 0,
    next_index      integer NOT NULL DEFAULT 0,
    lease_owner     text,
    lease_until     timestamptz,
    PRIMARY KEY (role, partition)
) WITH (fillfactor = 50);

-- Gateway calls: the nonce that was granted, and the provider's answer before it becomes an event.
CREATE TABLE calls (
    call_id      text PRIMARY KEY,
    tenant_id    text NOT NULL,
    partition    integer NOT NULL,
    seq          bigint NOT NULL,
    gateway      text NOT NULL,
    operation    text NOT NULL,
    request      bytea NOT NULL,
    deadline_ms  bigint NOT NULL,
    nonce        text,
    state        text NOT NULL DEFAULT 'requested',
    answer       bytea,
    updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX calls_unfinished ON calls (partition, seq) WHERE state <> 'done';

-- What Postgres could not take apart; the raw record has it all.
CREATE TABLE quarantined (
    partition  integer NOT NULL,
    seq        bigint NOT NULL,
    part       text NOT NULL CHECK (part IN ('entry', 'image')),
    ordinal    integer NOT NULL,
    error      text NOT NULL,
    raw        bytea NOT NULL,
    noted_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, seq, part, ordinal)
);

REVOKE ALL ON cluster, raw_records, images, progress, calls, quarantined FROM PUBLIC;
GRANT SELECT ON cluster, progress TO treasury_app;
GRANT SELECT, INSERT ON cluster, raw_records, quarantined TO treasury_archiver;
GRANT SELECT, INSERT, UPDATE ON progress, calls TO treasury_archiver;
GRANT SELECT, INSERT, UPDATE, DELETE ON images TO treasury_archiver;
GRANT SELECT ON cluster, raw_records, images, progress, calls, quarantined TO treasury_auditor;

ALTER TABLE calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls FORCE ROW LEVEL SECURITY;
CREATE POLICY archiver ON calls TO treasury_archiver USING (true) WITH CHECK (true);
CREATE POLICY auditor ON calls FOR SELECT TO treasury_auditor USING (true);

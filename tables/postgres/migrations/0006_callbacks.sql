-- What dispatch remembers of a call besides: the provider's own name of it, which gateways may take
-- it (comma-separated, in order), and what the provider told by itself and nobody has looked at yet.
ALTER TABLE calls
    ADD COLUMN handle   text  NOT NULL DEFAULT '',
    ADD COLUMN gateways text  NOT NULL DEFAULT '',
    ADD COLUMN told     bytea;

-- Payment links, found by their token alone: a page for the public names no tenant.
CREATE INDEX resources_links ON resources (id) WHERE kind = 'ln';

-- Bearer tokens that all workers share, sealed: at some providers a new one ends the one before it.
CREATE TABLE provider_tokens (
    name         text PRIMARY KEY,
    master_id    text        NOT NULL,
    wrapped_key  bytea       NOT NULL,
    box          bytea       NOT NULL,
    good_until   timestamptz NOT NULL
);
REVOKE ALL ON provider_tokens FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON provider_tokens TO treasury_archiver;
ALTER TABLE provider_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE provider_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY archiver ON provider_tokens TO treasury_archiver USING (true) WITH CHECK (true);

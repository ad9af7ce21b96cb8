-- What dispatch remembers of a call besides: the provider's own name of it, which gateways may take
-- it (comma-separated, in order), and what the provider told by itself and nobody has looked at yet.
ALTER TABLE calls
    ADD COLUMN handle   text  NOT NULL DEFAULT '',
    ADD COLUMN gateways text  NOT NULL DEFAULT '',
    ADD COLUMN told     bytea;

-- Payment links, found by their token alone: a page for the public names no tenant.
CREATE INDEX resources_links ON resources (id) WHERE kind = 'ln';

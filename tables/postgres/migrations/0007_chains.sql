-- Whose wallet it is: one tenant's, for ever. What was shown to a payer once is watched for ever, so
-- no row is ever removed. Wallets that were said at once are watched together (`batch`).
CREATE TABLE chain_wallets (
    chain      text        NOT NULL,
    address    text        NOT NULL,
    tenant_id  text        NOT NULL,
    batch      int         NOT NULL,
    added_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (chain, address)
);
CREATE INDEX chain_wallets_of_tenants ON chain_wallets (tenant_id, chain);
REVOKE ALL ON chain_wallets FROM PUBLIC;
GRANT SELECT, INSERT ON chain_wallets TO treasury_app;
GRANT SELECT ON chain_wallets TO treasury_archiver, treasury_auditor;
ALTER TABLE chain_wallets ENABLE ROW LEVEL SECURITY;
ALTER TABLE chain_wallets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON chain_wallets TO treasury_app
    USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''));
CREATE POLICY archiver ON chain_wallets FOR SELECT TO treasury_archiver USING (true);
CREATE POLICY auditor ON chain_wallets FOR SELECT TO treasury_auditor USING (true);

-- How far a chain is followed for the wallets of a batch. `untold` is what was seen and may not be
-- in the inbound log yet: it is kept together with the state, and told before anything else is read.
CREATE TABLE chain_follows (
    chain      text        NOT NULL,
    tenant_id  text        NOT NULL,
    batch      int         NOT NULL,
    version    bigint      NOT NULL,
    genesis    text        NOT NULL,
    turn       int         NOT NULL,
    state      bytea       NOT NULL,
    untold     bytea       NOT NULL,
    moved_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (chain, tenant_id, batch)
);
REVOKE ALL ON chain_follows FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON chain_follows TO treasury_archiver;
GRANT SELECT ON chain_follows TO treasury_auditor;
ALTER TABLE chain_follows ENABLE ROW LEVEL SECURITY;
ALTER TABLE chain_follows FORCE ROW LEVEL SECURITY;
CREATE POLICY archiver ON chain_follows TO treasury_archiver USING (true) WITH CHECK (true);
CREATE POLICY auditor ON chain_follows FOR SELECT TO treasury_auditor USING (true);

-- Which number each transaction of our own wallets has, and every byte that was signed under it:
-- kept before it is sent. `block_hash` is the block in which it counts.
CREATE TABLE chain_nonces (
    chain_id   bigint  NOT NULL,
    address    text    NOT NULL,
    nonce      bigint  NOT NULL,
    key        text    NOT NULL,
    ended      boolean NOT NULL DEFAULT false,
    block_hash text    NOT NULL DEFAULT '',
    PRIMARY KEY (chain_id, address, nonce),
    UNIQUE (chain_id, address, key)
);
CREATE TABLE chain_signed (
    chain_id   bigint NOT NULL,
    tx_hash    text   NOT NULL,
    address    text   NOT NULL,
    nonce      bigint NOT NULL,
    ordinal    bigint GENERATED ALWAYS AS IDENTITY,
    raw        bytea  NOT NULL,
    PRIMARY KEY (chain_id, tx_hash),
    FOREIGN KEY (chain_id, address, nonce) REFERENCES chain_nonces
);
CREATE INDEX chain_signed_by_nonce ON chain_signed (chain_id, address, nonce, ordinal);
REVOKE ALL ON chain_nonces, chain_signed FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON chain_nonces TO treasury_archiver;
GRANT SELECT, INSERT ON chain_signed TO treasury_archiver;
GRANT SELECT ON chain_nonces, chain_signed TO treasury_auditor;

-- The lines under a settlement's root, as they were hashed: rows may change, a proof may not.
CREATE TABLE proof_leaves (
    tenant_id  text NOT NULL,
    root       text NOT NULL,
    place      int  NOT NULL,
    leaf       text NOT NULL,
    PRIMARY KEY (tenant_id, root, place)
);
REVOKE ALL ON proof_leaves FROM PUBLIC;
GRANT SELECT, INSERT ON proof_leaves TO treasury_app;
GRANT SELECT ON proof_leaves TO treasury_archiver, treasury_auditor;
ALTER TABLE proof_leaves ENABLE ROW LEVEL SECURITY;
ALTER TABLE proof_leaves FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON proof_leaves TO treasury_app
    USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''));
CREATE POLICY archiver ON proof_leaves FOR SELECT TO treasury_archiver USING (true);
CREATE POLICY auditor ON proof_leaves FOR SELECT TO treasury_auditor USING (true);
CREATE INDEX resources_by_settlement ON resources (tenant_id, (body ->> 'settlement_id'))
    WHERE kind IN ('pi', 'po', 're') AND body ->> 'settlement_id' <> '';

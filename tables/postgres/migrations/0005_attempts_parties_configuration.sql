-- Calls of gateways by what they are about: the attempts of a payment.
CREATE INDEX resources_by_subject ON resources (tenant_id, (body ->> 'subject_id'), created_at)
    WHERE kind = 'ca';
-- What is open, by party: ages are summed over it.
CREATE INDEX resources_open ON resources (tenant_id, kind, customer_id)
    WHERE status IN ('open', 'partially_paid', 'approved') OR kind = 'cr';

-- Tier 2: what a tenant's admins say in plain words (short code, bank accounts, tax numbers).
CREATE TABLE configuration (
    tenant_id  text        NOT NULL,
    name       text        NOT NULL,
    value      jsonb       NOT NULL,
    version    int         NOT NULL,
    written_at timestamptz NOT NULL,
    written_by text        NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON configuration TO treasury_app;
GRANT SELECT ON configuration TO treasury_archiver, treasury_auditor;
ALTER TABLE configuration ENABLE ROW LEVEL SECURITY;
ALTER TABLE configuration FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON configuration TO treasury_app
    USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''));
CREATE POLICY archiver ON configuration FOR SELECT TO treasury_archiver USING (true);
CREATE POLICY auditor ON configuration FOR SELECT TO treasury_auditor USING (true);

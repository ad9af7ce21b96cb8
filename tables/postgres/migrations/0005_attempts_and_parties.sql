-- Calls of gateways by what they are about: the attempts of a payment.
CREATE INDEX resources_by_subject ON resources (tenant_id, (body ->> 'subject_id'), created_at)
    WHERE kind = 'ca';
-- What is open, by party: ages are summed over it.
CREATE INDEX resources_open ON resources (tenant_id, kind, customer_id)
    WHERE status IN ('open', 'partially_paid', 'approved') OR kind = 'cr';

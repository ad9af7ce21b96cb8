-- Calls of gateways by what they are about: the attempts of a payment.
CREATE INDEX resources_by_subject ON resources (tenant_id, (body ->> 'subject_id'), created_at)
    WHERE kind = 'ca';

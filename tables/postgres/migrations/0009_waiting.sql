-- Events that were parked are few, and asked for as those that wait still.

CREATE INDEX entries_parked ON entries (tenant_id, seq, ordinal) WHERE status = 'parked';

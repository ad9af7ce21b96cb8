-- Postings bear the tenant-local day they are effective, and the day in whose period they count.

ALTER TABLE postings ADD COLUMN booked_on date, ADD COLUMN effective_on date;
CREATE INDEX postings_by_day ON postings (tenant_id, booked_on);

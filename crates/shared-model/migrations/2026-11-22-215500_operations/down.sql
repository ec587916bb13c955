DROP TRIGGER calendar_jobs_ended ON calendar_jobs;
DROP FUNCTION record_end_of_job;
DROP TABLE event_deliveries;
DROP TABLE processing;
DROP TABLE activity;
DROP TABLE processes;
ALTER TABLE calendar_jobs
    DROP COLUMN worker_id, DROP COLUMN claimed_at, DROP COLUMN skipped_count, DROP COLUMN traceparent,
    DROP COLUMN history, DROP COLUMN event_destinations;

DROP TABLE calendar_feeds;
DROP TABLE calendar_results;
DROP TABLE calendar_jobs;
DROP FUNCTION notify_job_changed;
DROP TABLE todos;

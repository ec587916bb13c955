DROP TABLE calendar_feeds;
DROP TABLE calendar_results;
DROP TABLE calendar_jobs;
DROP FUNCTION calendar_jobs_tell;
DROP TABLE todos;

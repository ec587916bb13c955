DROP TABLE api_sessions;
DROP TABLE api_tokens;
DROP TABLE calendar_feeds;
DROP TABLE calendar_results;
DROP TABLE queue_evidence;
DROP TABLE calendar_jobs;
DROP TABLE todos;

DROP TABLE calendar_results;
DROP TABLE calendar_jobs;
DROP TABLE todos;

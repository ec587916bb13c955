ALTER TABLE calendar_jobs DROP COLUMN token_name;

-- The name of the token that the job was requested with, for the limit of jobs per token; null if there was none. Not a
-- foreign key, because that would lock the token for every job, and jobs outlive tokens. It adds nothing to a row in which
-- it is null, and is not indexed: the jobs that have not ended are counted all at once.
ALTER TABLE calendar_jobs ADD COLUMN token_name text;

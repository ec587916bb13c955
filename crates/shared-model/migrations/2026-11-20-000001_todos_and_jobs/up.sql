CREATE TABLE todos (
    -- integer, as the original's clients know it
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- counted in code points, as the API counts
    title       varchar(80)  NOT NULL CHECK (title <> '' AND title = btrim(title)),
    description varchar(120),
    completed   boolean      NOT NULL DEFAULT false,
    -- UTC without an offset, as the original stores and answers it
    deadline_at timestamp,
    created_at  timestamp    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    updated_at  timestamp    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    -- how often the todo was changed: the calendar's SEQUENCE
    revision    integer      NOT NULL DEFAULT 0
);

-- the list's order, and its keyset
CREATE INDEX todos_newest ON todos (created_at DESC, id DESC);

CREATE TABLE calendar_jobs (
    -- version 7, made by the API: new rows land at the index's right edge
    id                  uuid        PRIMARY KEY,
    status              text        NOT NULL DEFAULT 'PENDING'
                        CHECK (status IN ('PENDING', 'STARTED', 'RETRY', 'SUCCESS', 'FAILURE', 'REVOKED')),
    -- grows by one on every change that a client can see: the status's ETag
    version             bigint      NOT NULL DEFAULT 1,
    -- grows when the job is published anew; older messages are then void
    generation          integer     NOT NULL DEFAULT 1,
    -- claims so far in this generation, counted before the work
    attempt             integer     NOT NULL DEFAULT 0,
    request             jsonb       NOT NULL,
    error               jsonb,
    cancel_requested    boolean     NOT NULL DEFAULT false,
    progress_done       integer     NOT NULL DEFAULT 0,
    progress_total      integer,
    -- a client's name for its request: whoever sends it again gets this job
    idempotency_key     text        UNIQUE CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    -- the outbox: null = still to be sent
    published_at        timestamptz,
    -- one relay at a time sends a row; after this another may
    publish_lease_until timestamptz NOT NULL DEFAULT '-infinity',
    -- queue `postgres:` delivers the row no earlier than this: visibility and back-off in one
    not_before          timestamptz NOT NULL DEFAULT now(),
    -- queue `postgres:`: deliveries so far, and so the newest receipt
    delivery            bigint      NOT NULL DEFAULT 0,
    -- how long a worker's claim holds unless renewed
    lease_until         timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    started_at          timestamptz,
    finished_at         timestamptz,
    -- how long a job may wait, and how long it is kept once finished
    expiry              interval    NOT NULL,
    expires_at          timestamptz NOT NULL,
    CHECK ((status IN ('SUCCESS', 'FAILURE', 'REVOKED')) = (finished_at IS NOT NULL)),
    CHECK ((status = 'STARTED') = (lease_until IS NOT NULL))
);

-- the list's order, and its keyset
CREATE INDEX calendar_jobs_newest ON calendar_jobs (created_at DESC, id DESC);

-- what the relay still has to send: empty when all is well
CREATE INDEX calendar_jobs_unpublished ON calendar_jobs (created_at)
    WHERE published_at IS NULL AND status IN ('PENDING', 'RETRY');

-- what queue `postgres:` has to deliver
CREATE INDEX calendar_jobs_due ON calendar_jobs (not_before)
    WHERE status IN ('PENDING', 'RETRY', 'STARTED');

-- what the sweeper has to delete in the end
CREATE INDEX calendar_jobs_expiry ON calendar_jobs (expires_at)
    WHERE finished_at IS NOT NULL;

-- Tells who waits for a job that it changed. A hint: it may be lost, and who waits also looks by itself.
CREATE FUNCTION calendar_jobs_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('taskoverflow_job_changed', NEW.id::text);
    RETURN NULL;
END $$;

CREATE TRIGGER calendar_jobs_changed AFTER UPDATE ON calendar_jobs
    FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION calendar_jobs_tell();

CREATE TABLE calendar_results (
    job_id        uuid    PRIMARY KEY REFERENCES calendar_jobs ON DELETE CASCADE,
    -- the calendar, gzipped
    content       bytea   NOT NULL,
    -- of the calendar as it is and of `content`: the two ETags
    sha256        bytea   NOT NULL CHECK (length(sha256) = 32),
    gzip_sha256   bytea   NOT NULL CHECK (length(gzip_sha256) = 32),
    -- of the calendar, not of `content`
    byte_length   bigint  NOT NULL,
    event_count   integer NOT NULL,
    skipped_count integer NOT NULL,
    -- which todos it shows, in which revision: a feed renders anew when this no longer holds
    todos_fingerprint text NOT NULL,
    -- the job's, here too so that sweeping finds the old ones by an index
    expires_at    timestamptz NOT NULL
);

CREATE INDEX calendar_results_expiry ON calendar_results (expires_at);

-- the content is compressed already; a second try costs time and saves nothing
ALTER TABLE calendar_results ALTER COLUMN content SET STORAGE EXTERNAL;

-- calendars that programs subscribe to
CREATE TABLE calendar_feeds (
    id             uuid        PRIMARY KEY,
    -- of the secret in the feed's URL, which is shown once and stored nowhere
    secret_sha256  bytea       NOT NULL CHECK (length(secret_sha256) = 32),
    request        jsonb       NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    -- the newest job that finished, and the one that is to replace it
    last_job_id    uuid        REFERENCES calendar_jobs ON DELETE SET NULL,
    pending_job_id uuid        REFERENCES calendar_jobs ON DELETE SET NULL
);

-- deleting an old job looks for its feeds
CREATE INDEX calendar_feeds_last_job ON calendar_feeds (last_job_id);
CREATE INDEX calendar_feeds_pending_job ON calendar_feeds (pending_job_id);

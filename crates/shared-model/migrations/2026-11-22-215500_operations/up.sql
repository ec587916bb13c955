-- Null columns at the end of a row cost nothing. A job that succeeds at its first attempt gains a dozen bytes.
ALTER TABLE calendar_jobs
    -- The process that has the claim, or had it last: a row of `processes`. Not a foreign key, because that would lock the
    -- process for every claim.
    ADD COLUMN worker_id     integer,
    -- when the current attempt began, or the last one
    ADD COLUMN claimed_at    timestamptz,
    -- how many todos the calendar leaves out, because they have no deadline
    ADD COLUMN skipped_count integer,
    -- the W3C trace context of the request; null if its trace id is the job's id
    ADD COLUMN traceparent   text,
    -- an array of what the other columns no longer show: earlier attempts, lost messages, redrives
    ADD COLUMN history       jsonb,
    -- who gets an event when the job ends: `sns`, `own:` and the URL of a webhook in the settings, or a client's URL
    ADD COLUMN event_destinations text[];

-- the API processes and workers, as they report themselves
CREATE TABLE processes (
    id           integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role         text        NOT NULL CHECK (role IN ('api', 'worker')),
    host         text        NOT NULL,
    pid          integer     NOT NULL,
    version      text        NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    -- how many jobs a worker runs at the same time, and how many it ran at its last heartbeat
    slots        integer,
    in_flight    integer,
    -- when an operator asked a worker to finish its jobs and stop
    drain_requested_at timestamptz,
    -- null if it runs, or ended without a word
    stopped_at   timestamptz
) WITH (
    -- heartbeats change no indexed column
    fillfactor = 50
);

-- What each process did in ten seconds. A process loses its last second when it crashes: this is for displays.
CREATE TABLE activity (
    -- the beginning of the ten seconds
    period     timestamptz NOT NULL,
    process_id integer     NOT NULL,
    -- how many jobs were accepted, published and so on
    accepted   integer     NOT NULL DEFAULT 0,
    published  integer     NOT NULL DEFAULT 0,
    started    integer     NOT NULL DEFAULT 0,
    succeeded  integer     NOT NULL DEFAULT 0,
    failed     integer     NOT NULL DEFAULT 0,
    retried    integer     NOT NULL DEFAULT 0,
    revoked    integer     NOT NULL DEFAULT 0,
    -- Histograms of the time from a job's acceptance to its first attempt, and of the duration of attempts. The program
    -- defines the bounds.
    wait_seconds integer[] NOT NULL,
    run_seconds  integer[] NOT NULL,
    -- by time, for the plots and for the sweep
    PRIMARY KEY (period, process_id)
);

-- whether the workers process jobs: always one row
CREATE TABLE processing (
    id        boolean     PRIMARY KEY DEFAULT true CHECK (id),
    -- null: they do
    paused_at timestamptz,
    -- the name of the operator's token
    paused_by text,
    -- when the last pause ended
    resumed_at timestamptz
);

INSERT INTO processing DEFAULT VALUES;

-- The events that still have to be delivered: one row for each end of a job and each destination. The row is deleted when
-- the destination has accepted the event.
CREATE TABLE event_deliveries (
    -- the order of the events of one job
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id      uuid        NOT NULL,
    -- the same for all destinations: by it, receivers recognise an event that arrives twice
    event_id    text        NOT NULL,
    destination text        NOT NULL,
    -- by which operators find events: the host in the URL, or `sns`
    host        text        COLLATE "C" NOT NULL GENERATED ALWAYS AS
        (coalesce(substring(destination FROM '^(?:own:)?https?://(\[[^]]*\]|[^:/?#]+)'), destination)) STORED,
    -- A receiver that does not answer must not delay the events for others. In a client's URL it is the scheme, the host
    -- and the port if there is one, and else the whole destination: no client can name a receiver of the operators.
    -- Clients' receivers, and only those, are before `own:`.
    receiver    text        COLLATE "C" NOT NULL GENERATED ALWAYS AS
        (coalesce(substring(destination FROM '^https?://[^/?#]+'), destination)) STORED,
    -- what is sent
    event       jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- since the event, or since an operator retried the delivery
    attempts    integer     NOT NULL DEFAULT 0,
    -- when the first of these attempts began
    first_attempt_at timestamptz,
    -- Grows with each attempt and each retry by an operator. An attempt settles the delivery only if it is still the same.
    version     integer     NOT NULL DEFAULT 0,
    -- when the next attempt may begin; null if the delivery was given up
    due_at      timestamptz DEFAULT now(),
    last_error  text
);

CREATE INDEX event_deliveries_due ON event_deliveries (receiver, due_at) WHERE due_at IS NOT NULL;
-- those that were given up, for operators
CREATE INDEX event_deliveries_given_up ON event_deliveries (id) WHERE due_at IS NULL;
-- those of one host; an event that is delivered was never in this index
CREATE INDEX event_deliveries_given_up_for_host ON event_deliveries (host, id) WHERE due_at IS NULL;
-- the deliveries of a job, in order
CREATE INDEX event_deliveries_job ON event_deliveries (job_id, id);

CREATE FUNCTION record_end_of_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO event_deliveries (job_id, event_id, destination, event)
    SELECT NEW.id, NEW.id || '_' || NEW.version, destination, jsonb_build_object(
        'task_id', NEW.id, 'task_status', NEW.status, 'attempt', NEW.attempt, 'error', NEW.error,
        'skipped_count', NEW.skipped_count, 'created_at', NEW.created_at, 'started_at', NEW.started_at,
        'finished_at', NEW.finished_at, 'expires_at', NEW.expires_at, 'traceparent', NEW.traceparent)
    FROM unnest(NEW.event_destinations) AS destination;
    RETURN NULL;
END $$;

-- A trigger, so that whatever ends a job stores its events in the same transaction, and no statement can forget them.
CREATE TRIGGER calendar_jobs_ended AFTER UPDATE OF finished_at ON calendar_jobs FOR EACH ROW
    WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL AND NEW.event_destinations IS NOT NULL)
    EXECUTE FUNCTION record_end_of_job();

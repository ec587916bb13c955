//! The tables in diesel's form. This file is written by hand; a test compares it with the tables that `migrations/`
//! makes.

#![expect(
    missing_docs,
    reason = "the columns are described where they are made, in migrations/"
)]

diesel::table! {
    todos (id) {
        id -> Integer,
        title -> Varchar,
        description -> Nullable<Varchar>,
        completed -> Bool,
        deadline_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        revision -> Integer,
    }
}

diesel::table! {
    calendar_jobs (id) {
        id -> Uuid,
        status -> Text,
        version -> BigInt,
        generation -> Integer,
        attempt -> Integer,
        request -> Jsonb,
        error -> Nullable<Jsonb>,
        cancel_requested -> Bool,
        progress_done -> Integer,
        progress_total -> Nullable<Integer>,
        idempotency_key -> Nullable<Text>,
        claim -> Nullable<Uuid>,
        lease_until -> Nullable<Timestamptz>,
        retry_at -> Nullable<Timestamptz>,
        send_after -> Nullable<Timestamptz>,
        sends -> Integer,
        sent_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
        expiry -> Interval,
        expires_at -> Timestamptz,
        token_name -> Nullable<Text>,
        worker_id -> Nullable<Integer>,
        claimed_at -> Nullable<Timestamptz>,
        skipped_count -> Nullable<Integer>,
        traceparent -> Nullable<Text>,
        history -> Nullable<Jsonb>,
        event_destinations -> Nullable<Array<Text>>,
    }
}

diesel::table! {
    queue_evidence (queue) {
        queue -> Text,
        newest_delivered -> Nullable<Timestamptz>,
        empty_since -> Nullable<Timestamptz>,
        last_received_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    calendar_results (job_id) {
        job_id -> Uuid,
        content -> Bytea,
        sha256 -> Bytea,
        gzip_sha256 -> Bytea,
        byte_length -> BigInt,
        event_count -> Integer,
        skipped_count -> Integer,
        todos_fingerprint -> Text,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    calendar_feeds (id) {
        id -> Uuid,
        secret_sha256 -> Bytea,
        request -> Jsonb,
        created_at -> Timestamptz,
        last_job_id -> Nullable<Uuid>,
        pending_job_id -> Nullable<Uuid>,
        refreshed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    api_tokens (name) {
        name -> Text,
        sha256 -> Bytea,
        scope -> Text,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    api_sessions (sha256) {
        sha256 -> Bytea,
        token_name -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    processes (id) {
        id -> Integer,
        role -> Text,
        host -> Text,
        pid -> Integer,
        version -> Text,
        started_at -> Timestamptz,
        heartbeat_at -> Timestamptz,
        slots -> Nullable<Integer>,
        in_flight -> Nullable<Integer>,
        drain_requested_at -> Nullable<Timestamptz>,
        stopped_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    activity (period, process_id) {
        period -> Timestamptz,
        process_id -> Integer,
        accepted -> Integer,
        published -> Integer,
        started -> Integer,
        succeeded -> Integer,
        failed -> Integer,
        retried -> Integer,
        revoked -> Integer,
        wait_seconds -> Array<Integer>,
        run_seconds -> Array<Integer>,
    }
}

diesel::table! {
    processing (id) {
        id -> Bool,
        paused_at -> Nullable<Timestamptz>,
        paused_by -> Nullable<Text>,
        resumed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    event_deliveries (id) {
        id -> BigInt,
        job_id -> Uuid,
        event_id -> Text,
        destination -> Text,
        host -> Text,
        receiver -> Text,
        event -> Jsonb,
        created_at -> Timestamptz,
        attempts -> Integer,
        first_attempt_at -> Nullable<Timestamptz>,
        version -> Integer,
        due_at -> Nullable<Timestamptz>,
        last_error -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(calendar_jobs, calendar_results);

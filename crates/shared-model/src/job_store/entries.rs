//! What a job's row forgets when it changes, as entries of its column `history`. The statements that make the row forget
//! it add them, so an entry costs neither a statement nor a version of the row. [`history`](super::history) reads them.

/// How many entries of a job can be read: the latest. One more is kept, which shows that there were more.
pub(super) const MAX_ENTRIES: usize = 100;

/// The attempt whose worker let the lease run out.
const LOST: &str = "'kind', 'attempt', 'attempt', job.attempt, 'worker', job.worker_id,
    'started_at', job.claimed_at, 'ended_at', job.lease_until, 'end', 'lost'";

/// The attempt that failed and is followed by another one; its error is the parameter $3.
pub(super) const RETRIED: &str =
    "'kind', 'attempt', 'attempt', job.attempt, 'worker', job.worker_id,
    'started_at', job.claimed_at, 'ended_at', now(), 'end', 'retry', 'error', $3";

/// A message that was lost, and is sent again.
pub(super) const REPUBLISHED: &str = "'kind', 'republished', 'at', now(), 'sent_at', job.sent_at";

/// The last attempt and the end of a job that an operator retries. `by` is the parameter that says who does.
pub(super) fn redriven(by: &str) -> String {
    format!(
        "'kind', 'redriven', 'at', now(), 'by', {by}, 'attempts', job.attempt, 'sent_at', job.sent_at,
         'started_at', job.claimed_at, 'worker', job.worker_id, 'finished_at', job.finished_at, 'error', job.error"
    )
}

/// Returns the value of `history`, of the table `job`, after a statement that takes the job from a worker whose lease has run
/// out. A job that no worker has gets no entry.
pub(super) fn with_lost_attempt() -> String {
    let lost = with(LOST);
    format!("CASE job.status WHEN 'STARTED' THEN {lost} ELSE job.history END")
}

/// Returns the value of `history`, of the table `job`, with one more entry, which is one of the texts above.
pub(super) fn with(entry: &str) -> String {
    format!(
        "coalesce(CASE WHEN jsonb_array_length(job.history) > {MAX_ENTRIES} THEN job.history - 0 ELSE job.history END, '[]')
            || jsonb_build_object({entry})"
    )
}

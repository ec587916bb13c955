//! The spans of deliveries.

use std::time::Duration;

use job_queue::Received;
use shared_model::job_store::claims::Claim;
use shared_model::trace::{Operation, Span, Trace};
use tokio::time::Instant;

use crate::outcome::Outcome;

/// Begins the span of a delivery. That of the first is a child of the span that accepted the job, and that of another one
/// is linked with it. `lease` is for how long the queue `postgres:` claims jobs.
pub(super) fn of_delivery(received: &Received, trace: Option<Trace>, lease: Duration) -> Span {
    let cause = trace.and_then(Trace::context);
    // without export, or with most traces not sampled
    if cause.is_none_or(|cause| !cause.is_sampled) {
        return Span::default();
    }
    let (is_first, ago) = match received {
        Received::Message(delivery) => {
            let generation = delivery.message.as_ref().map(|message| message.generation);
            let is_first = delivery.receive_count == 1 && generation.is_ok_and(|one| one == 1);
            (is_first, Duration::ZERO)
        }
        // receiving was claiming
        Received::Claim { claim, until } => (is_first(claim), ago(*until, lease)),
    };
    let mut span = if is_first {
        Span::operation_below(Operation::Deliver, cause, ago)
    } else {
        Span::operation_after(Operation::Deliver, cause, ago)
    };
    match received {
        Received::Message(delivery) => {
            if let Ok(message) = &delivery.message {
                span.set_job(message.job_id.0);
            }
            span.set("messaging.message.id", delivery.message_id.clone());
            span.set(
                "messaging.delivery.count",
                i64::from(delivery.receive_count),
            );
        }
        Received::Claim { claim, .. } => {
            span.set_job(claim.key.id.0);
            span.set("job.attempt", i64::from(claim.attempt));
            span.ended_step("claim", ago);
        }
    }
    span
}

fn is_first(claim: &Claim) -> bool {
    claim.attempt == 1 && claim.generation == 1
}

/// Returns how long ago a claim was made that lasts until `until`.
fn ago(until: Instant, lease: Duration) -> Duration {
    lease.saturating_sub(until.saturating_duration_since(Instant::now()))
}

/// Records how a delivery ended.
pub(super) fn end(span: &mut Span, outcome: Outcome) {
    span.set("job.outcome", outcome.name());
    match outcome {
        Outcome::Succeeded | Outcome::Revoked | Outcome::Stale | Outcome::NotStarted => {}
        Outcome::Failed
        | Outcome::Retry(_)
        | Outcome::Leased(_)
        | Outcome::Unknown
        | Outcome::Unreadable
        | Outcome::Lost => span.fail(outcome.name()),
    }
}

//! Checks the responses that the clients got against the jobs in the database.

use std::collections::{HashMap, HashSet};

use shared_model::job::JobId;

use super::{Jobs, Verdict};
use crate::history::{Exchange, History, Outcome, SeenJob};

pub(super) fn check(history: &History, jobs: &Jobs, verdict: &mut Verdict) {
    let exchanges = history.exchanges();
    check_accepted(&exchanges, jobs, verdict);
    check_keys(&exchanges, jobs, verdict);
    check_server_errors(&exchanges, verdict);
    check_seen(&exchanges, verdict);
}

/// G1: every accepted job ends. G2: there is no job without a request.
fn check_accepted(exchanges: &[Exchange], jobs: &Jobs, verdict: &mut Verdict) {
    let accepted: HashSet<JobId> = exchanges.iter().filter_map(Exchange::accepted).collect();
    verdict.accepted = accepted.len();
    for id in &accepted {
        match jobs.get(id) {
            None => {
                verdict.lost += 1;
                verdict.add_violation("G1", format!("{id} was accepted and does not exist"));
            }
            Some(job) if !job.status.is_terminal() => {
                verdict.lost += 1;
                verdict.add_violation(
                    "G1",
                    format!("{id} was accepted and is still {}", job.status),
                );
            }
            Some(_) => {}
        }
    }
    let others: Vec<_> = jobs.keys().filter(|id| !accepted.contains(id)).collect();
    // A request without a response may have created a job. So may one with a 503: if the database fails, the API does not
    // know whether it has stored the job.
    let unanswered = exchanges
        .iter()
        .filter(|exchange| {
            let is_undecided = matches!(
                exchange.outcome,
                Outcome::NoResponse(_) | Outcome::Response { status: 503, .. }
            );
            exchange.requests_job() && is_undecided
        })
        .count();
    if others.len() > unanswered {
        verdict.unexpected += others.len() - unanswered;
        verdict.add_violation(
            "G2",
            format!(
                "{} jobs exist that no client was told about, but only {unanswered} requests got no response or a 503: {others:?}",
                others.len()
            ),
        );
    }
}

/// G2: there is at most one job for a key.
fn check_keys(exchanges: &[Exchange], jobs: &Jobs, verdict: &mut Verdict) {
    let mut returned: HashMap<&str, HashSet<JobId>> = HashMap::new();
    for exchange in exchanges {
        if let (Some(key), Some(id)) = (&exchange.key, exchange.accepted()) {
            returned.entry(key).or_default().insert(id);
        }
    }
    let mut stored: HashMap<&str, usize> = HashMap::new();
    for key in jobs
        .values()
        .filter_map(|job| job.idempotency_key.as_deref())
    {
        *stored.entry(key).or_default() += 1;
    }
    for (key, ids) in returned {
        if ids.len() > 1 {
            verdict.duplicated += ids.len() - 1;
            verdict.add_violation(
                "G2",
                format!("requests with the key {key} got different jobs: {ids:?}"),
            );
        }
        if stored.get(key) != Some(&1) {
            let count = stored.get(key).copied().unwrap_or(0);
            verdict.add_violation(
                "G2",
                format!("a job was accepted for the key {key}, and {count} are stored"),
            );
        }
    }
}

/// G7: the only 5xx response is 503 with Retry-After.
fn check_server_errors(exchanges: &[Exchange], verdict: &mut Verdict) {
    for exchange in exchanges {
        if let Outcome::Response {
            status: status @ 500..,
            retry_after,
            ..
        } = exchange.outcome
            && (status != 503 || !retry_after)
        {
            let Exchange { method, path, .. } = exchange;
            let after = if retry_after { "with" } else { "without" };
            verdict.add_violation(
                "G7",
                format!("{method} {path} returned {status} {after} Retry-After"),
            );
        }
    }
}

/// G4, as clients see it: if a request is sent after another response has arrived, its response does not show an older
/// state.
fn check_seen(exchanges: &[Exchange], verdict: &mut Verdict) {
    let mut of_job: HashMap<JobId, Vec<(&Exchange, SeenJob)>> = HashMap::new();
    for exchange in exchanges {
        if let Outcome::Response {
            job: Some(seen), ..
        } = exchange.outcome
        {
            of_job.entry(seen.id).or_default().push((exchange, seen));
        }
    }
    for (id, mut seen) in of_job {
        seen.sort_by_key(|(exchange, _)| exchange.began);
        for (index, (later, after)) in seen.iter().enumerate() {
            // Only responses that had arrived before this request was sent count.
            let earlier = seen.iter().take(index);
            let newer = earlier
                .filter(|(earlier, _)| earlier.ended <= later.began)
                .find(|(_, before)| is_older(*after, *before));
            if let Some((_, before)) = newer {
                verdict.regressions += 1;
                verdict.add_violation(
                    "G4",
                    format!("a client saw {id} as {before:?} and then as {after:?}"),
                );
            }
        }
    }
}

fn is_older(after: SeenJob, before: SeenJob) -> bool {
    let by_version = match (before.version, after.version) {
        (Some(before), Some(after)) => after < before,
        _ => false,
    };
    by_version
        || (before.status.is_terminal()
            && after.status != before.status
            && after.version <= before.version)
}

//! What the clients were told, against what there is.

use std::collections::{HashMap, HashSet};

use shared_model::job::JobId;

use super::{Jobs, Verdict};
use crate::history::{Exchange, History, Seen, Told};

pub(super) fn check(history: &History, jobs: &Jobs, verdict: &mut Verdict) {
    let exchanges = history.exchanges();
    check_promises(&exchanges, jobs, verdict);
    check_keys(&exchanges, jobs, verdict);
    check_server_errors(&exchanges, verdict);
    check_seen(&exchanges, verdict);
}

/// G1: each 202 ends. G2: no job without a POST.
fn check_promises(exchanges: &[Exchange], jobs: &Jobs, verdict: &mut Verdict) {
    let promised: HashSet<JobId> = exchanges.iter().filter_map(Exchange::accepted).collect();
    verdict.jobs = promised.len();
    for id in &promised {
        match jobs.get(id) {
            None => {
                verdict.lost += 1;
                verdict.broken("G1", format!("{id} was promised, and there is no such job"));
            }
            Some(job) if !job.status.is_terminal() => {
                verdict.lost += 1;
                verdict.broken("G1", format!("{id} was promised and is {}", job.status));
            }
            Some(_) => {}
        }
    }
    let unpromised: Vec<_> = jobs.keys().filter(|id| !promised.contains(id)).collect();
    // a POST without an answer may have made one
    let unanswered = exchanges
        .iter()
        .filter(|exchange| exchange.asks_for_a_job() && matches!(exchange.told, Told::Nothing(_)))
        .count();
    if unpromised.len() > unanswered {
        verdict.unexpected += unpromised.len() - unanswered;
        verdict.broken(
            "G2",
            format!(
                "{} jobs were promised to nobody, and {unanswered} requests got no answer: {unpromised:?}",
                unpromised.len()
            ),
        );
    }
}

/// G2: at most one job a key.
fn check_keys(exchanges: &[Exchange], jobs: &Jobs, verdict: &mut Verdict) {
    let mut told: HashMap<&str, HashSet<JobId>> = HashMap::new();
    for exchange in exchanges {
        if let (Some(key), Some(id)) = (&exchange.key, exchange.accepted()) {
            told.entry(key).or_default().insert(id);
        }
    }
    let mut stored: HashMap<&str, usize> = HashMap::new();
    for key in jobs
        .values()
        .filter_map(|job| job.idempotency_key.as_deref())
    {
        *stored.entry(key).or_default() += 1;
    }
    for (key, ids) in told {
        if ids.len() > 1 {
            verdict.duplicated += ids.len() - 1;
            verdict.broken("G2", format!("the key {key} was told of the jobs {ids:?}"));
        }
        if stored.get(key) != Some(&1) {
            let count = stored.get(key).copied().unwrap_or(0);
            verdict.broken(
                "G2",
                format!("the key {key} was promised a job and has {count}"),
            );
        }
    }
}

/// G7: no 5xx but 503 with Retry-After.
pub(super) fn check_server_errors(exchanges: &[Exchange], verdict: &mut Verdict) {
    for exchange in exchanges {
        if let Told::Answer {
            status: status @ 500..,
            retry_after,
            ..
        } = exchange.told
            && (status != 503 || !retry_after)
        {
            let Exchange { method, path, .. } = exchange;
            let after = if retry_after { "with" } else { "without" };
            verdict.broken(
                "G7",
                format!("{method} {path} answered {status} {after} Retry-After"),
            );
        }
    }
}

/// G4, as clients see it: an answer that was asked for after another one had come shows nothing older.
pub(super) fn check_seen(exchanges: &[Exchange], verdict: &mut Verdict) {
    let mut of_job: HashMap<JobId, Vec<(&Exchange, Seen)>> = HashMap::new();
    for exchange in exchanges {
        if let Told::Answer {
            job: Some(seen), ..
        } = exchange.told
        {
            of_job.entry(seen.id).or_default().push((exchange, seen));
        }
    }
    for (id, mut seen) in of_job {
        seen.sort_by_key(|(exchange, _)| exchange.began);
        for (index, (later, after)) in seen.iter().enumerate() {
            // those that had come when this one was asked for
            let earlier = seen.iter().take(index);
            let went_back = earlier
                .filter(|(earlier, _)| earlier.ended <= later.began)
                .find(|(_, before)| is_older(*after, *before));
            if let Some((_, before)) = went_back {
                verdict.regressions += 1;
                verdict.broken(
                    "G4",
                    format!("a client saw {id} as {before:?} and then as {after:?}"),
                );
            }
        }
    }
}

fn is_older(after: Seen, before: Seen) -> bool {
    let by_version = match (before.version, after.version) {
        (Some(before), Some(after)) => after < before,
        _ => false,
    };
    by_version
        || (before.status.is_terminal()
            && after.status != before.status
            && after.version <= before.version)
}

//! What workers do with jobs.

use std::collections::HashMap;
use std::time::Duration;

use job_model::row::{self, Row, Status};
use proptest::{prop_assert, prop_assert_eq};
use shared_model::job::JobStatus;
use shared_model::job_store::claims::{self, ClaimRenewal, Claimed, Delivered, Renewal, Written};

use super::super::observed::status;
use super::super::operation::{Held, Message};
use super::{Compared, PAUSE, World, max_attempts};
use crate::support::{FIRST, LEASE, OPTIONS, an_error, completion};

impl World {
    pub(super) fn claim_pending(&mut self, limit: usize) -> Compared {
        let pending =
            |job: &usize| self.rows[*job].is_some_and(|row| row.status == Status::Pending);
        let expected: Vec<_> = (0..self.ids.len()).filter(pending).take(limit).collect();
        let token = self.new_token();
        let claimed = claims::claim_pending(
            &mut self.connection,
            OPTIONS,
            self.tokens[usize::from(token)],
            FIRST,
            i64::try_from(limit).unwrap(),
        );
        let mut jobs: Vec<_> = claimed
            .unwrap()
            .iter()
            .map(|one| self.job(one.key.id))
            .collect();
        jobs.sort_unstable();
        prop_assert_eq!(&jobs, &expected, "the oldest are claimed first");
        self.note_claimed(&jobs, token)
    }

    pub(super) fn claim_due(&mut self, limit: usize) -> Compared {
        let due = self.count(|row| {
            row.status != Status::Pending
                && row.is_waiting()
                && row.attempt < max_attempts()
                && !row.cancel_requested
        });
        let token = self.new_token();
        let claimed = claims::claim_due(
            &mut self.connection,
            OPTIONS,
            self.tokens[usize::from(token)],
            i64::try_from(limit).unwrap(),
        );
        let jobs: Vec<_> = claimed
            .unwrap()
            .iter()
            .map(|one| self.job(one.key.id))
            .collect();
        prop_assert_eq!(jobs.len(), due.min(limit));
        self.note_claimed(&jobs, token)
    }

    pub(super) fn note_claimed(&mut self, jobs: &[usize], token: row::Token) -> Compared {
        let rules = self.rules;
        for job in jobs {
            let before = self.rows[*job];
            let claimed = self.change(*job, |row| {
                row.claim(row.generation, token, max_attempts(), rules)
            });
            prop_assert_eq!(claimed, Some(row::Claimed::Begin));
            self.note_attempt(*job, before, token);
            self.note_begun(*job, token);
        }
        Ok(())
    }

    /// Notes that an attempt has begun. It may replace one that never ended; a repeated claim replaces none.
    fn note_attempt(&mut self, job: usize, before: Option<Row>, token: row::Token) {
        let has_replaced =
            before.is_some_and(|row| row.status == Status::Started && row.claim != Some(token));
        self.history[job].entries += i32::from(has_replaced);
        self.history[job].has_attempt = true;
    }

    /// Notes that a job has ended, perhaps during an attempt that never ended.
    pub(super) fn note_end_without_worker(&mut self, job: usize, before: Option<Row>) {
        let was_running = before.is_some_and(|row| row.status == Status::Started);
        self.history[job].entries += i32::from(was_running);
    }

    pub(super) fn note_begun(&mut self, job: usize, token: row::Token) {
        self.note_claim(job, token);
        self.progress[job].0 = 0;
    }

    pub(super) fn claim_delivered(&mut self, messages: &[Message]) -> Compared {
        let rules = self.rules;
        let mut delivered = Vec::new();
        let mut expected = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            let job = message.job;
            if messages[..index].iter().any(|other| other.job == job) {
                continue; // a worker claims one copy of a message at a time
            }
            let token = match message.repeated {
                Some(claim) => self.claim_of(Held { job, claim }).0,
                None => self.new_token(),
            };
            let current = self.rows[job].map_or(1, |row| row.generation);
            let generation = current - u8::from(message.is_old);
            delivered.push(Delivered {
                key: self.key(job, token),
                generation: generation.into(),
            });
            let before = self.rows[job];
            let claimed = self.change(job, |row| {
                row.claim(generation, token, max_attempts(), rules)
            });
            if claimed == Some(row::Claimed::Begin) {
                self.note_attempt(job, before, token);
                self.note_begun(job, token);
            }
            expected.push(claimed.unwrap_or(row::Claimed::Stale));
        }
        let claimed = claims::claim_delivered(&mut self.connection, OPTIONS, &delivered).unwrap();
        let answers: Vec<_> = claimed.iter().map(answer).collect();
        let expected: Vec<_> = expected.into_iter().map(Some).collect();
        prop_assert_eq!(answers, expected);
        Ok(())
    }

    pub(super) fn find_claimed(&mut self, held: Held) -> Compared {
        let (token, key) = self.claim_of(held);
        let is_held = |row: &Row| row.is_held_by(token) && !row.lease_lapsed;
        let expected = self.count(is_held);
        let found = claims::find_claimed(&mut self.connection, key.claim).unwrap();
        prop_assert_eq!(found.len(), expected);
        for claim in found {
            let row = self.rows[self.job(claim.key.id)];
            prop_assert!(row.is_some_and(|row| is_held(&row)));
        }
        Ok(())
    }

    pub(super) fn renew(&mut self, held: &[Held], done: i32) -> Compared {
        let progress = (done, Some(2));
        let mut expected = HashMap::new();
        let mut renewals = Vec::new();
        let before = self.progress;
        for one in held {
            let (token, key) = self.claim_of(*one);
            renewals.push(ClaimRenewal {
                key,
                done: progress.0,
                total: progress.1,
            });
            let is_renewed = self.change(one.job, |row| row.renew(token)) == Some(true);
            let renewal = match self.rows[one.job] {
                Some(row) if is_renewed && row.cancel_requested => Renewal::CancelRequested,
                _ if is_renewed => Renewal::Renewed {
                    has_progress: before[one.job] != progress,
                },
                _ => Renewal::Lost,
            };
            if is_renewed && self.progress[one.job] != progress {
                self.progress[one.job] = progress;
                self.change(one.job, |row| row.version += 1);
            }
            expected.insert(key, renewal);
        }
        let renewed = claims::renew(&mut self.connection, &renewals, LEASE).unwrap();
        prop_assert_eq!(renewed.into_iter().collect::<HashMap<_, _>>(), expected);
        Ok(())
    }

    pub(super) fn complete(&mut self, held: &[Held]) -> Compared {
        let rules = self.rules;
        let mut expected = Vec::new();
        let mut completions = Vec::new();
        for one in held {
            let (token, key) = self.claim_of(*one);
            completions.push(completion(key));
            let done = self.change(one.job, |row| row.complete(token, rules)) == Some(true);
            expected.push(if done { Written::Done } else { Written::Lost });
        }
        let written = claims::complete(&mut self.connection, &completions).unwrap();
        prop_assert_eq!(written, expected);
        Ok(())
    }

    pub(super) fn retry(&mut self, held: Held, pause: bool) -> Compared {
        let rules = self.rules;
        let (token, key) = self.claim_of(held);
        let expected = self.change(held.job, |row| {
            let new = row.retry(token, rules);
            if new == Some(Status::Retry) && !pause {
                row.pause_ends();
            }
            new.map(status)
        });
        let is_retried = expected.flatten() == Some(JobStatus::Retry);
        self.history[held.job].entries += i32::from(is_retried);
        let pause = if pause { PAUSE } else { Duration::ZERO };
        let retried = claims::retry(&mut self.connection, key, &an_error(), pause).unwrap();
        prop_assert_eq!(retried, expected.flatten());
        Ok(())
    }

    pub(super) fn fail(&mut self, held: Held) -> Compared {
        let rules = self.rules;
        let (token, key) = self.claim_of(held);
        let expected = self.change(held.job, |row| row.fail(token, rules));
        let failed = claims::fail(&mut self.connection, key, &an_error()).unwrap();
        prop_assert_eq!(failed, expected == Some(true));
        Ok(())
    }

    pub(super) fn revoke(&mut self, held: Held) -> Compared {
        let rules = self.rules;
        let (token, key) = self.claim_of(held);
        let expected = self.change(held.job, |row| row.revoke(token, rules));
        let revoked = claims::revoke(&mut self.connection, key).unwrap();
        prop_assert_eq!(revoked, expected == Some(true));
        Ok(())
    }

    pub(super) fn unclaim(&mut self, held: &[Held]) {
        let rules = self.rules;
        let mut keys = Vec::new();
        for one in held {
            let (token, key) = self.claim_of(*one);
            keys.push(key);
            let unclaimed = self.change(one.job, |row| row.unclaim(token, rules));
            if unclaimed.flatten().is_some() {
                self.history[one.job].has_attempt = false;
            }
        }
        claims::unclaim(&mut self.connection, &keys, Duration::ZERO).unwrap();
    }

    pub(super) fn end_unclaimable(&mut self, jobs: Option<&[usize]>) -> Compared {
        let rules = self.rules;
        let mut expected = HashMap::new();
        for job in 0..self.ids.len() {
            if jobs.is_some_and(|jobs| !jobs.contains(&job)) {
                continue;
            }
            let before = self.rows[job];
            let ended = self.change(job, |row| row.end_unclaimable(max_attempts(), rules));
            if let Some(ended) = ended.flatten() {
                self.note_end_without_worker(job, before);
                expected.insert(self.ids[job], status(ended));
            }
        }
        let ids = self.ids_of(jobs);
        let ended =
            claims::end_unclaimable(&mut self.connection, OPTIONS.max_attempts, ids.as_deref());
        let ended = ended.unwrap();
        let ended: HashMap<_, _> = ended.iter().map(|job| (job.id, job.status)).collect();
        prop_assert_eq!(ended, expected);
        Ok(())
    }
}

/// The model's word for an answer. It has none for a locked row, because nobody else is connected.
fn answer(claimed: &Claimed) -> Option<row::Claimed> {
    match claimed {
        Claimed::Begin(_) => Some(row::Claimed::Begin),
        Claimed::Stale(_) => Some(row::Claimed::Stale),
        Claimed::NotYet(_) => Some(row::Claimed::NotYet),
        Claimed::Unclaimable => Some(row::Claimed::Unclaimable),
        Claimed::Busy => None,
    }
}

//! The steps that follow from what is stored about a job.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::stored::{Entry, Lasting};
use super::{Attempt, AttemptEnd, Event, Step};
use crate::job::{JobError, JobStatus};
use crate::job_store::record::{JobRecord, Worker, readable};

/// Returns the steps in order of time. `hosts` are those of the workers that the entries name.
pub(super) fn steps(job: &JobRecord, lasting: &Lasting, hosts: &HashMap<i32, String>) -> Vec<Step> {
    let mut steps = Steps {
        hosts,
        found: Vec::new(),
        begun: BTreeSet::new(),
        published: BTreeSet::new(),
    };
    steps.add(job.created_at, Event::Accepted);
    for entry in &lasting.entries {
        steps.add_entry(entry);
    }
    steps.add_published(lasting.sent_at);
    if let Some(claimed_at) = lasting.claimed_at {
        steps.add_attempt(claimed_at, last_attempt(job));
    }
    if let Some(finished_at) = job.finished_at {
        steps.add_end(finished_at, job.status, job.error.clone());
    }
    let mut steps = steps.found;
    steps.sort_by_key(|step| step.at);
    steps
}

/// The attempt that the row itself tells of.
fn last_attempt(job: &JobRecord) -> Attempt {
    let end = match job.status {
        JobStatus::Started => None,
        JobStatus::Success => Some(AttemptEnd::Success),
        JobStatus::Failure => Some(AttemptEnd::Failure),
        JobStatus::Revoked => Some(AttemptEnd::Revoked),
        JobStatus::Pending | JobStatus::Retry => Some(AttemptEnd::Retry),
    };
    Attempt {
        number: job.attempt,
        worker: job.worker.clone(),
        ended_at: job.finished_at,
        end,
        error: None,
    }
}

struct Steps<'a> {
    hosts: &'a HashMap<i32, String>,
    found: Vec<Step>,
    /// When attempts began. An attempt that the row still knows may have an entry, too.
    begun: BTreeSet<DateTime<Utc>>,
    /// When messages were sent. The same time may be known from several entries.
    published: BTreeSet<DateTime<Utc>>,
}

impl Steps<'_> {
    fn add(&mut self, at: DateTime<Utc>, event: Event) {
        self.found.push(Step { at, event });
    }

    fn add_published(&mut self, at: Option<DateTime<Utc>>) {
        if let Some(at) = at.filter(|at| self.published.insert(*at)) {
            self.add(at, Event::Published);
        }
    }

    fn add_attempt(&mut self, began_at: DateTime<Utc>, attempt: Attempt) {
        if self.begun.insert(began_at) {
            self.add(began_at, Event::Attempt(attempt));
        }
    }

    fn add_end(&mut self, at: DateTime<Utc>, status: JobStatus, error: Option<JobError>) {
        self.add(at, Event::Ended { status, error });
    }

    fn worker(&self, id: Option<i32>) -> Option<Worker> {
        id.map(|id| Worker {
            id,
            host: self.hosts.get(&id).cloned(),
        })
    }

    fn add_entry(&mut self, entry: &Entry) {
        match entry {
            Entry::Attempt {
                attempt,
                worker,
                started_at,
                ended_at,
                end,
                error,
            } => {
                let attempt = Attempt {
                    number: *attempt,
                    worker: self.worker(*worker),
                    ended_at: Some(*ended_at),
                    end: Some(*end),
                    error: error.clone().and_then(readable),
                };
                self.add_attempt(started_at.unwrap_or(*ended_at), attempt);
            }
            Entry::Republished { at, sent_at } => {
                self.add_published(*sent_at);
                self.add(*at, Event::Republished);
            }
            Entry::Redriven {
                at,
                by,
                attempts,
                sent_at,
                started_at,
                worker,
                finished_at,
                error,
            } => {
                self.add_published(*sent_at);
                if let Some(started_at) = started_at {
                    let attempt = Attempt {
                        number: *attempts,
                        worker: self.worker(*worker),
                        ended_at: Some(*finished_at),
                        end: Some(AttemptEnd::Failure),
                        error: None,
                    };
                    self.add_attempt(*started_at, attempt);
                }
                let error = error.clone().and_then(readable);
                self.add_end(*finished_at, JobStatus::Failure, error);
                let by = by.clone().and_then(|by| serde_json::from_value(by).ok());
                self.add(*at, Event::Redriven { by });
            }
        }
    }
}

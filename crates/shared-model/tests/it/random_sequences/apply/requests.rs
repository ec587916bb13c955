//! Accepting and cancelling jobs, and the outbox.

use std::collections::HashSet;
use std::time::Duration;

use job_model::row::{Outbox, Row, Status};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};
use shared_model::job::CalendarRequest;
use shared_model::job_store::outbox::{self, Postponed, PostponedAs, SendKey};
use shared_model::job_store::requests::{self, Accepted, Cancelled, NewJob, Sender};

use super::super::operation::Message;
use super::{Compared, PAUSE, World};
use crate::support::EXPIRY_SECONDS;

impl World {
    pub(super) fn new_job(&self, job: usize, sender: Sender) -> NewJob {
        NewJob {
            id: self.ids[job],
            request: CalendarRequest::default(),
            expiry_seconds: EXPIRY_SECONDS,
            sender,
            token_name: None,
            traceparent: None,
            event_destinations: Vec::new(),
        }
    }

    pub(super) fn note_accepted(&mut self, job: usize, sender: Sender) {
        if self.rows[job].is_some() {
            return;
        }
        self.rows[job] = Some(Row::accepted(match sender {
            Sender::Nobody => Outbox::Nothing,
            Sender::ThisProcess => Outbox::Leased,
            Sender::AnyRelay => Outbox::Due,
        }));
        if sender == Sender::ThisProcess {
            let id = self.ids[job];
            self.note_taken(SendKey { id, sends: 1 });
        }
    }

    pub(super) fn accept(&mut self, job: usize, sender: Sender) {
        let new = self.new_job(job, sender);
        requests::insert(&mut self.connection, &[new]).unwrap();
        self.note_accepted(job, sender);
    }

    pub(super) fn accept_with_key(&mut self, job: usize, key: usize) -> Compared {
        let new = self.new_job(job, Sender::AnyRelay);
        let accepted =
            requests::insert_once(&mut self.connection, &format!("key {key}"), &new).unwrap();
        let (is_new, id) = match accepted {
            Accepted::New(stored) => (true, stored.id),
            Accepted::Replayed(stored) => (false, stored.id),
            Accepted::KeyReused => return Err(TestCaseError::fail("the requests are equal")),
        };
        if let Some(owner) = self.keys[key] {
            prop_assert_eq!((is_new, id), (owner == job, self.ids[owner]));
        } else {
            prop_assert_eq!((is_new, id), (true, self.ids[job]));
            if self.rows[job].is_none() {
                self.keys[key] = Some(job);
            }
            self.note_accepted(job, Sender::AnyRelay);
        }
        Ok(())
    }

    pub(super) fn cancel(&mut self, job: usize) -> Compared {
        let before = self.rows[job].map(|row| row.status);
        self.change(job, Row::cancel);
        let cancelled = requests::cancel(&mut self.connection, self.ids[job]).unwrap();
        let agrees = match cancelled {
            None => before.is_none(),
            Some(Cancelled::Revoked(_)) => matches!(before, Some(Status::Pending | Status::Retry)),
            Some(Cancelled::Requested(_)) => before == Some(Status::Started),
            Some(Cancelled::Already(_)) => before == Some(Status::Revoked),
            Some(Cancelled::TooLate(_)) => {
                matches!(before, Some(Status::Success | Status::Failure))
            }
        };
        prop_assert!(agrees, "{:?} was cancelled: {:?}", before, cancelled);
        Ok(())
    }

    pub(super) fn take(&mut self, limit: usize) -> Compared {
        let due = self.count(|row| row.outbox == Outbox::Due);
        let taken = outbox::take(&mut self.connection, i64::try_from(limit).unwrap()).unwrap();
        prop_assert_eq!(taken.len(), due.min(limit));
        for outbound in taken {
            let job = self.job(outbound.message.job_id);
            prop_assert_eq!(self.change(job, Row::lease), Some(true), "it was due");
            let row = self.rows[job].unwrap();
            let expected = (i32::from(row.generation), i32::from(row.sends));
            prop_assert_eq!((outbound.message.generation, outbound.sends), expected);
            self.note_taken(SendKey::from(&outbound));
        }
        Ok(())
    }

    pub(super) fn mark_sent(&mut self, messages: &[usize]) {
        let rules = self.rules;
        let keys = self.taken(messages);
        outbox::mark_sent(&mut self.connection, &keys).unwrap();
        for key in keys {
            let (job, sends) = (self.job(key.id), u8::try_from(key.sends).unwrap());
            self.change(job, |row| row.mark(sends, rules));
        }
    }

    pub(super) fn release(&mut self, messages: &[usize]) {
        let keys = self.taken(messages);
        outbox::release(&mut self.connection, &keys).unwrap();
        for key in keys {
            let (job, sends) = (self.job(key.id), u8::try_from(key.sends).unwrap());
            self.change(job, |row| row.release(sends));
        }
    }

    pub(super) fn postpone(&mut self, messages: &[Message], pause: bool) -> Compared {
        let rules = self.rules;
        let mut postponed = Vec::new();
        let mut expected = Vec::new();
        let mut written = HashSet::new();
        for message in messages {
            let job = message.job;
            let current = self.rows[job].map_or(1, |row| row.generation);
            let generation = current - u8::from(message.is_old);
            postponed.push(Postponed {
                id: self.ids[job],
                generation: generation.into(),
                delay: if pause { PAUSE } else { Duration::ZERO },
            });
            let is_copy = written.contains(&(job, generation));
            let is_written = is_copy
                || self.change(job, |row| {
                    let is_written = row.postpone(generation, rules);
                    if is_written && !pause {
                        row.outbox = Outbox::Due;
                    }
                    is_written
                }) == Some(true);
            if is_written {
                written.insert((job, generation));
            }
            expected.push(if is_written {
                PostponedAs::Written
            } else {
                PostponedAs::Stale
            });
        }
        let answers = outbox::postpone(&mut self.connection, &postponed).unwrap();
        prop_assert_eq!(answers, expected);
        Ok(())
    }
}

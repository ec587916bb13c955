//! Redriven jobs, dead letters, the sweeps, and time, which passes by moving the times of rows.

use std::time::Duration;

use diesel::sql_types::Timestamptz;
use diesel::{QueryableByName, RunQueryDsl};
use job_model::row::{Outbox, Row, Status};
use proptest::prop_assert_eq;
use shared_model::job_store::dead_letters::{self, GivenUp};
use shared_model::job_store::evidence::{self, Observation};
use shared_model::job_store::failed::{self, Redriver};

use super::super::operation::Operation;
use super::{Compared, World};
use crate::support::{fail_overdue, redrive_all, republish_lost};

const QUEUE_URL: &str = "https://sqs.eu-west-1.amazonaws.com/1/jobs";
const REPUBLISH_AFTER: Duration = Duration::from_secs(10);

impl World {
    pub(super) fn give_up(&mut self, job: usize, is_old: bool) -> Compared {
        let rules = self.rules;
        let before = self.rows[job];
        let generation = before.map_or(1, |row| row.generation) - u8::from(is_old);
        self.change(job, |row| row.give_up(generation, rules));
        let expected = match (before, self.rows[job]) {
            (Some(before), Some(after)) if before.status != after.status => GivenUp::Failed,
            (Some(before), _) if !is_old && !before.status.is_terminal() => GivenUp::Claimed,
            _ => GivenUp::Stale,
        };
        let given_up =
            dead_letters::give_up(&mut self.connection, self.ids[job], generation.into());
        prop_assert_eq!(given_up.unwrap(), expected);
        Ok(())
    }

    pub(super) fn redrive(&mut self, jobs: Option<&[usize]>) -> Compared {
        let rules = self.rules;
        let mut expected = Vec::new();
        for job in 0..self.ids.len() {
            if jobs.is_some_and(|jobs| !jobs.contains(&job)) {
                continue;
            }
            if self.change(job, |row| row.redrive(Outbox::Due, rules)) == Some(true) {
                self.overdue[job] = false;
                self.progress[job] = (0, None);
                self.history[job].entries += 1;
                self.history[job].has_attempt = false;
                expected.push(self.ids[job]);
            }
        }
        let mut redriven = match self.ids_of(jobs) {
            Some(ids) => failed::redrive(&mut self.connection, &ids, &Redriver::Command).unwrap(),
            None => redrive_all(&mut self.connection),
        };
        redriven.sort_unstable();
        prop_assert_eq!(redriven, expected);
        Ok(())
    }

    pub(super) fn republish_lost(&mut self) -> Compared {
        let rules = self.rules;
        let mut expected = 0;
        for (row, history) in self.rows.iter_mut().zip(&mut self.history) {
            if let Some(row) = row.as_mut().filter(|row| row.looks_lost(rules)) {
                row.republish(rules);
                history.entries += 1;
                expected += 1;
            }
        }
        let republished = republish_lost(&mut self.connection, QUEUE_URL, REPUBLISH_AFTER);
        prop_assert_eq!(republished, expected);
        Ok(())
    }

    pub(super) fn fail_overdue(&mut self) -> Compared {
        let mut expected = Vec::new();
        for job in 0..self.ids.len() {
            let before = self.rows[job];
            if self.overdue[job] && self.change(job, Row::fail_overdue) == Some(true) {
                self.note_end_without_worker(job, before);
                expected.push(self.ids[job]);
            }
        }
        prop_assert_eq!(fail_overdue(&mut self.connection), expected);
        Ok(())
    }

    pub(super) fn pass_time(&mut self, operation: &Operation) {
        match operation {
            Operation::LeaseEnds { job } => {
                self.end_now(
                    *job,
                    "lease_until",
                    |row| row.status == Status::Started,
                    Row::lease_lapses,
                );
            }
            Operation::PauseEnds { job } => {
                self.end_now(
                    *job,
                    "retry_at",
                    |row| row.status == Status::Retry,
                    Row::pause_ends,
                );
            }
            Operation::SendLeaseEnds { job } => {
                let leased = |row: &Row| row.outbox == Outbox::Leased;
                self.end_now(*job, "send_after", leased, |row| row.outbox = Outbox::Due);
            }
            Operation::BecomesOverdue { job } => {
                self.overdue[*job] |= self.rows[*job].is_some_and(|row| !row.status.is_terminal());
                self.end_now(*job, "expires_at", |row| !row.status.is_terminal(), |_| ());
            }
            Operation::EvidenceAppears { is_delivery } => self.gather_evidence(*is_delivery),
            _ => {}
        }
    }

    /// Sets a time to a second ago, if it applies.
    pub(super) fn end_now(
        &mut self,
        job: usize,
        column: &str,
        applies: impl Fn(&Row) -> bool,
        write: impl FnOnce(&mut Row),
    ) {
        if self.rows[job].is_some_and(|row| applies(&row)) {
            let id = self.ids[job];
            self.execute(&format!(
                "UPDATE calendar_jobs SET {column} = now() - interval '1 s' WHERE id = '{id}'"
            ));
            self.change(job, write);
        }
    }

    /// Lets a day pass for all that waits, and then records evidence.
    pub(super) fn gather_evidence(&mut self, is_delivery: bool) {
        #[derive(QueryableByName)]
        struct Now {
            #[diesel(sql_type = Timestamptz)]
            now: chrono::DateTime<chrono::Utc>,
        }
        self.execute(
            "UPDATE calendar_jobs
             SET created_at = created_at - interval '1 day', sent_at = sent_at - interval '1 day',
                 lease_until = CASE WHEN lease_until <= now() THEN lease_until - interval '1 day' ELSE lease_until END,
                 retry_at = CASE WHEN retry_at <= now() THEN retry_at - interval '1 day' ELSE retry_at END",
        );
        let Now { now } = diesel::sql_query("SELECT now() AS now")
            .get_result(&mut self.connection)
            .unwrap();
        let observation = Observation {
            newest_delivered: is_delivery.then_some(now),
            empty_since: (!is_delivery).then_some(Duration::ZERO),
            ..Observation::default()
        };
        evidence::record(&mut self.connection, QUEUE_URL, observation).unwrap();
        for row in self
            .rows
            .iter_mut()
            .flatten()
            .filter(|row| row.is_waiting())
        {
            row.evidence = true;
        }
    }
}

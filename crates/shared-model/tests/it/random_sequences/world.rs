//! The database and the model side by side.

use std::collections::HashMap;

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use job_model::row::{Row, Token};
use job_model::rules::Rules;
use proptest::prop_assert_eq;
use proptest::test_runner::TestCaseError;
use shared_model::job::JobId;
use shared_model::job_store::claims::ClaimKey;
use shared_model::job_store::outbox::SendKey;
use uuid::Uuid;

use super::observed::{History, Observed, observe};
use super::operation::{Held, JOBS, KEYS};
use crate::support::{database, new_token};

pub(super) struct World {
    pub(super) connection: PgConnection,
    pub(super) rules: Rules,
    /// In ascending order, as if the jobs had been accepted in that order.
    pub(super) ids: [JobId; JOBS],
    /// What the model says about each job.
    pub(super) rows: [Option<Row>; JOBS],
    /// Jobs that were not completed in time.
    pub(super) overdue: [bool; JOBS],
    /// The last progress of each job: todos done, and all.
    pub(super) progress: [(i32, Option<i32>); JOBS],
    pub(super) history: [History; JOBS],
    /// The job of each idempotency key.
    pub(super) keys: [Option<usize>; KEYS],
    /// The tokens of all claims. The model names each by its index.
    pub(super) tokens: Vec<Uuid>,
    claims: [Vec<Token>; JOBS],
    taken: Vec<SendKey>,
}

impl World {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            connection: database(),
            rules,
            ids: [JobId(Uuid::nil()); JOBS],
            rows: [None; JOBS],
            overdue: [false; JOBS],
            progress: [(0, None); JOBS],
            history: [History::default(); JOBS],
            keys: [None; KEYS],
            tokens: Vec::new(),
            claims: Default::default(),
            taken: Vec::new(),
        }
    }

    /// Begins again without any job.
    pub(super) fn reset(&mut self) {
        self.execute(
            "DELETE FROM calendar_results; DELETE FROM calendar_jobs; DELETE FROM queue_evidence",
        );
        self.ids = std::array::from_fn(|_| JobId::new());
        self.ids.sort_unstable();
        self.rows = [None; JOBS];
        self.overdue = [false; JOBS];
        self.progress = [(0, None); JOBS];
        self.history = [History::default(); JOBS];
        self.keys = [None; KEYS];
        self.tokens.clear();
        self.claims = Default::default();
        self.taken.clear();
    }

    pub(super) fn execute(&mut self, sql: &str) {
        self.connection.batch_execute(sql).unwrap();
    }

    /// The index of a job.
    pub(super) fn job(&self, id: JobId) -> usize {
        self.ids.iter().position(|own| *own == id).unwrap()
    }

    /// Applies a write of the model to a job. A job that was not accepted changes in no way.
    pub(super) fn change<T>(&mut self, job: usize, write: impl FnOnce(&mut Row) -> T) -> Option<T> {
        self.rows[job].as_mut().map(write)
    }

    pub(super) fn new_token(&mut self) -> Token {
        self.tokens.push(new_token());
        Token::try_from(self.tokens.len() - 1).unwrap()
    }

    pub(super) fn note_claim(&mut self, job: usize, token: Token) {
        self.claims[job].push(token);
    }

    /// Returns one claim from the history of a job, or a claim that nobody made if the history is empty.
    pub(super) fn claim_of(&mut self, Held { job, claim }: Held) -> (Token, ClaimKey) {
        let claims = &self.claims[job];
        let known = claims
            .iter()
            .rev()
            .nth(claim % claims.len().max(1))
            .copied();
        let token = known.unwrap_or_else(|| self.new_token());
        (token, self.key(job, token))
    }

    pub(super) fn key(&self, job: usize, token: Token) -> ClaimKey {
        ClaimKey {
            id: self.ids[job],
            claim: self.tokens[usize::from(token)],
        }
    }

    pub(super) fn note_taken(&mut self, key: SendKey) {
        self.taken.push(key);
    }

    /// The chosen ones of the messages that were ever taken.
    pub(super) fn taken(&self, chosen: &[usize]) -> Vec<SendKey> {
        let latest = |back: &usize| self.taken.iter().rev().nth(back % self.taken.len().max(1));
        chosen.iter().filter_map(latest).copied().collect()
    }

    /// Compares every row with the model's.
    pub(super) fn compare(&mut self) -> Result<(), TestCaseError> {
        let mut stored: HashMap<JobId, Observed> =
            observe(&mut self.connection).into_iter().collect();
        for ((id, row), history) in self.ids.iter().zip(&self.rows).zip(&self.history) {
            let expected = row.map(|row| Observed::expected(&row, &self.tokens, *history));
            prop_assert_eq!(stored.remove(id), expected, "stored, and expected");
        }
        prop_assert_eq!(stored.len(), 0, "jobs that nobody has accepted");
        Ok(())
    }
}

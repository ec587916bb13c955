//! Lets a test do what a worker does.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use shared_model::database::{DatabaseError, Pool};
use shared_model::job::{CalendarRequest, ErrorCode, JobError, JobId};
use shared_model::job_store::claims::{
    self, Claim, ClaimKey, ClaimOptions, ClaimRenewal, Claimed, Completion, Delivered, Renewal,
    Written,
};
use shared_model::job_store::requests::{self, NewJob, Sender};
use shared_model::notifier::Notifier;
use shared_model::results::NewResult;
use uuid::Uuid;

use super::{Service, execute};

const LEASE: Duration = Duration::from_mins(1);
const MAX_ATTEMPTS: i32 = 5;

/// Stores `count` jobs, whose messages any relay may send.
pub(crate) async fn accept_many(pool: &Pool, count: usize) -> Vec<JobId> {
    let ids: Vec<JobId> = (0..count).map(|_| JobId::new()).collect();
    store(pool, &ids, Sender::AnyRelay).await;
    ids
}

/// Stores jobs. Returns the time of their acceptance.
pub(crate) async fn store(pool: &Pool, ids: &[JobId], sender: Sender) -> DateTime<Utc> {
    let jobs: Vec<NewJob> = ids
        .iter()
        .map(|id| NewJob {
            id: *id,
            request: CalendarRequest::default(),
            expiry_seconds: 3600,
            sender,
            token_name: None,
            traceparent: None,
            event_destinations: Vec::new(),
        })
        .collect();
    pool.run(move |connection| requests::insert(connection, &jobs))
        .await
        .unwrap()
}

impl Service {
    /// Creates a job, like a client.
    pub(crate) async fn new_job(&self) -> JobId {
        let response = self
            .post("/api/v1/todos/ical", &serde_json::json!({}))
            .await;
        assert_eq!(response.status, 202, "{}", response.text());
        let id = response.json()["task_id"]
            .as_str()
            .unwrap()
            .parse::<Uuid>()
            .unwrap();
        JobId(id)
    }

    pub(crate) async fn claim(&self, id: JobId) -> Claim {
        let claim = self.claim_silently(id).await;
        self.notify(id).await;
        claim
    }

    /// Claims a job without telling the API.
    pub(crate) async fn claim_silently(&self, id: JobId) -> Claim {
        let delivered = Delivered {
            key: ClaimKey {
                id,
                claim: Uuid::now_v7(),
            },
            generation: 1,
        };
        let options = ClaimOptions {
            lease: LEASE,
            max_attempts: MAX_ATTEMPTS,
            worker_id: None,
        };
        loop {
            let claim = move |connection: &mut _| {
                claims::claim_delivered(connection, options, &[delivered])
            };
            match self.pool.run(claim).await.unwrap().pop() {
                Some(Claimed::Begin(claim)) => return *claim,
                // the relay has locked the job for a moment; a worker would receive its message again
                Some(Claimed::Busy) => tokio::task::yield_now().await,
                other => panic!("not claimed: {other:?}"),
            }
        }
    }

    /// Tells the API that a job has changed.
    pub(crate) async fn notify(&self, id: JobId) {
        let notifier = Notifier::default();
        notifier.jobs_changed([id]);
        notifier.flush(&self.pool).await;
    }

    pub(crate) async fn progress(&self, claim: &Claim, done: i32, total: i32) {
        let renewal = ClaimRenewal {
            key: claim.key,
            done,
            total: Some(total),
        };
        let renewed = self
            .pool
            .run(move |connection| claims::renew(connection, &[renewal], LEASE))
            .await;
        let renewal = Renewal::Renewed { has_progress: true };
        assert_eq!(renewed.unwrap(), [(claim.key, renewal)]);
        self.notify(claim.key.id).await;
    }

    /// Fails a job, permanently with `for_good`, otherwise with another attempt to follow.
    pub(crate) async fn fail(&self, id: JobId, for_good: bool) {
        let key = self.claim(id).await.key;
        let error = JobError::new(ErrorCode::Timeout, "it took too long");
        let fail = move |connection: &mut _| {
            if for_good {
                claims::fail(connection, key, &error).map(drop)
            } else {
                claims::retry(connection, key, &error, Duration::ZERO).map(drop)
            }
        };
        self.pool.run::<_, DatabaseError, _>(fail).await.unwrap();
        self.notify(id).await;
    }

    /// Completes a job with `calendar` as its result.
    pub(crate) async fn complete(&self, id: JobId, calendar: &[u8]) {
        let key = self.claim(id).await.key;
        let content = gzip(calendar);
        let result = NewResult {
            sha256: Sha256::digest(calendar).to_vec(),
            gzip_sha256: Sha256::digest(&content).to_vec(),
            content,
            byte_length: calendar.len().try_into().unwrap(),
            event_count: 1,
            skipped_count: 2,
            todos_fingerprint: "0:0".to_owned(),
        };
        let completed = self
            .pool
            .run(move |connection| {
                let result = Arc::new(result);
                claims::complete(connection, &[Completion { key, result }])
            })
            .await;
        assert_eq!(completed.unwrap(), [Written::Done]);
        self.notify(id).await;
    }

    /// Makes a job expire.
    pub(crate) async fn expire(&self, id: JobId) {
        execute(
            &self.pool,
            format!(
                "UPDATE calendar_jobs SET expires_at = now() - interval '1 s' WHERE id = '{id}'"
            ),
        )
        .await;
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn quoted_sha256(bytes: &[u8]) -> String {
    let mut quoted = String::from("\"");
    for byte in Sha256::digest(bytes) {
        write!(quoted, "{byte:02x}").unwrap();
    }
    quoted + "\""
}

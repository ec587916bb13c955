//! What an event says.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use shared_model::event_deliveries::{Delivery, EndOfJob};
use shared_model::job::{JobId, JobStatus};

/// An event as its receivers get it: the same for webhooks and for the topic, and the same in each attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Payload {
    /// The kind of event.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The id of the event, by which receivers recognise one that arrives twice.
    pub id: String,
    /// When the job ended.
    pub timestamp: DateTime<Utc>,
    /// How the job ended.
    pub data: Data,
    /// The W3C trace context of the request, if it is stored.
    #[serde(skip)]
    pub traceparent: Option<String>,
}

/// How a job ended. The members are those of its status.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Data {
    /// The job.
    pub task_id: JobId,
    /// SUCCESS, FAILURE or REVOKED.
    pub task_status: JobStatus,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: DateTime<Utc>,
    attempt: i32,
    error: Option<Value>,
    skipped_count: Option<i32>,
    expires_at: DateTime<Utc>,
}

impl Payload {
    /// Returns what a delivery says.
    ///
    /// # Errors
    /// Returns an error if another release has written an event that this one can't read.
    pub fn of(delivery: &Delivery) -> Result<Self, serde_json::Error> {
        let end: EndOfJob = serde_json::from_value(delivery.event.clone())?;
        Ok(Self {
            kind: kind_of(end.task_status),
            id: delivery.event_id.clone(),
            timestamp: end.finished_at,
            data: Data {
                task_id: end.task_id,
                task_status: end.task_status,
                created_at: end.created_at,
                started_at: end.started_at,
                finished_at: end.finished_at,
                attempt: end.attempt,
                error: end.error,
                skipped_count: end.skipped_count,
                expires_at: end.expires_at,
            },
            traceparent: end.traceparent,
        })
    }

    /// Returns the code of the job's error, if it failed.
    pub fn error_code(&self) -> Option<&str> {
        self.data.error.as_ref()?.get("code")?.as_str()
    }
}

fn kind_of(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Success => "job.succeeded",
        JobStatus::Failure => "job.failed",
        JobStatus::Revoked => "job.revoked",
        JobStatus::Pending | JobStatus::Started | JobStatus::Retry => "job.changed",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_payload_is_the_documented_one() {
        let job = "019aab00-0000-7000-8000-000000000001";
        let delivery = Delivery {
            id: 1,
            job_id: JobId(job.parse().unwrap()),
            event_id: format!("{job}_5"),
            destination: "sns".to_owned(),
            receiver: "sns".to_owned(),
            // as PostgreSQL writes it
            event: json!({
                "task_id": job, "task_status": "FAILURE", "attempt": 2,
                "error": {"code": "a_new_one", "detail": "why"}, "skipped_count": null,
                "created_at": "2026-11-22T15:30:00.25+00:00", "started_at": "2026-11-22T16:30:01+01:00",
                "finished_at": "2026-11-22T15:30:02.123456+00:00", "expires_at": "2026-11-23T15:30:02+00:00",
                "traceparent": null
            }),
            attempt: 1,
            tried_for: std::time::Duration::ZERO,
            version: 1,
        };
        let payload = Payload::of(&delivery).unwrap();
        assert_eq!(payload.error_code(), Some("a_new_one"));
        assert_eq!(
            serde_json::to_string(&payload).unwrap(),
            format!(
                "{{\"type\":\"job.failed\",\"id\":\"{job}_5\",\"timestamp\":\"2026-11-22T15:30:02.123456Z\",\
                 \"data\":{{\"task_id\":\"{job}\",\"task_status\":\"FAILURE\",\"created_at\":\"2026-11-22T15:30:00.250Z\",\
                 \"started_at\":\"2026-11-22T15:30:01Z\",\"finished_at\":\"2026-11-22T15:30:02.123456Z\",\"attempt\":2,\
                 \"error\":{{\"code\":\"a_new_one\",\"detail\":\"why\"}},\"skipped_count\":null,\
                 \"expires_at\":\"2026-11-23T15:30:02Z\"}}}}"
            )
        );
    }
}

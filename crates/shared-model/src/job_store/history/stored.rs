//! The columns and the entries that tell the history of a job. [`entries`](crate::job_store::entries) writes the entries.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Jsonb, Nullable, Timestamptz};
use serde::Deserialize;

use super::AttemptEnd;
use crate::job_store::entries::MAX_ENTRIES;
use crate::job_store::record::{JobRecord, RecordRow};

#[derive(QueryableByName)]
pub(super) struct Stored {
    #[diesel(embed)]
    record: RecordRow,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    sent_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    claimed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    history: Option<serde_json::Value>,
}

/// What the job's record does not contain.
#[derive(Debug, Default)]
pub(super) struct Lasting {
    /// When the queue last accepted the message.
    pub(super) sent_at: Option<DateTime<Utc>>,
    /// When the last attempt began.
    pub(super) claimed_at: Option<DateTime<Utc>>,
    /// The latest entries, in the order in which they were written.
    pub(super) entries: Vec<Entry>,
    /// Whether there were more.
    pub(super) is_truncated: bool,
}

/// What a row forgot when it changed. Whether a member is null depends on what the row knew.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Entry {
    Attempt {
        attempt: i32,
        worker: Option<i32>,
        started_at: Option<DateTime<Utc>>,
        ended_at: DateTime<Utc>,
        end: AttemptEnd,
        error: Option<serde_json::Value>,
    },
    Republished {
        at: DateTime<Utc>,
        sent_at: Option<DateTime<Utc>>,
    },
    Redriven {
        at: DateTime<Utc>,
        by: Option<serde_json::Value>,
        attempts: i32,
        sent_at: Option<DateTime<Utc>>,
        started_at: Option<DateTime<Utc>>,
        worker: Option<i32>,
        finished_at: DateTime<Utc>,
        error: Option<serde_json::Value>,
    },
}

impl Stored {
    pub(super) fn parts(self) -> (JobRecord, Lasting) {
        let entries = match self.history {
            Some(serde_json::Value::Array(entries)) => entries,
            _ => Vec::new(),
        };
        let excess = entries.len().saturating_sub(MAX_ENTRIES);
        let lasting = Lasting {
            sent_at: self.sent_at,
            claimed_at: self.claimed_at,
            // an entry that another release wrote may be unreadable
            entries: entries
                .into_iter()
                .skip(excess)
                .filter_map(|entry| serde_json::from_value(entry).ok())
                .collect(),
            is_truncated: excess > 0,
        };
        (self.record.into(), lasting)
    }
}

impl Lasting {
    /// The workers that the entries name.
    pub(super) fn worker_ids(&self) -> Vec<i32> {
        let worker = |entry: &Entry| match entry {
            Entry::Attempt { worker, .. } | Entry::Redriven { worker, .. } => *worker,
            Entry::Republished { .. } => None,
        };
        self.entries.iter().filter_map(worker).collect()
    }
}

//! Failed jobs: operators list them, and redrive them once the cause is fixed.
//!
//! There may be millions of them. Therefore no call looks at more than a part of them, nor changes more than a batch; it
//! says where the next call goes on.
//!
//! # Layout
//! - [`Filter`]: which of them
//! - [`list`]: page by page, newest first
//! - [`redrive`], [`redrive_matching`]: those with an id, or all that match
//! - [`Redriver`]: who does it

mod list;
mod redrive;

use chrono::{DateTime, Utc};

use crate::job::ErrorCode;

pub use list::{Page, list};
pub use redrive::{BATCH, Pass, Redriven, Redriver, redrive, redrive_matching};

/// Failed jobs that one call looks at, at most.
pub const PART: i64 = 10_000;

/// Which failed jobs: those that meet all conditions. The default is every job that has not expired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The code of their error, or of its cause.
    pub error_code: Option<ErrorCode>,
    /// The worker that claimed them last: its id among the [`processes`](crate::processes).
    pub worker_id: Option<i32>,
    /// They ended at this time or later.
    pub finished_after: Option<DateTime<Utc>>,
}

impl Filter {
    /// Returns the text that the database stores for the code.
    fn error_code_name(&self) -> Option<String> {
        let name = serde_json::to_value(self.error_code?).ok()?;
        name.as_str().map(str::to_owned)
    }
}

/// Whether a failed job, of the table `job`, matches a filter, whose members are the parameters from $4 on.
const MATCHES: &str = "job.expires_at > now() AND coalesce($4 IN (job.error ->> 'code', job.error ->> 'cause'), $4 IS NULL)
     AND coalesce(job.worker_id = $5, $5 IS NULL) AND coalesce(job.finished_at >= $6, $6 IS NULL)";

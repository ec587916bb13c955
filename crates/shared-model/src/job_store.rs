//! The store of jobs, and the only place that changes a job's status.
//!
//! ```text
//!             claim                       complete
//!  PENDING ──────────▶ STARTED ─────────────────────▶ SUCCESS
//!     │                 │  ▲ │
//!     │ cancel    retry │  │ └── fail, or the last attempt ──▶ FAILURE
//!     ▼                 ▼  │ claim
//!  REVOKED ◀─ cancel ─ RETRY
//! ```
//!
//! SUCCESS, FAILURE and REVOKED are final, except that an operator can redrive a failed job.
//!
//! Messages are delivered at least once, and completing a job is idempotent. A message may arrive twice, and a worker
//! may believe that it still has a job that another worker has taken over. Therefore every write of a worker names its
//! claim (job, generation, attempt, status STARTED) in its WHERE clause. A write that matches no row came too late and
//! changes nothing. All times are the database's.
//!
//! # Layout, in the order a job travels
//! - [`requests`]: insert, look up, list and cancel, for the API
//! - [`outbox`]: jobs whose messages the relay still has to send
//! - [`claims`]: claim, renew, complete, retry and fail, for the worker
//! - `end`: the assignments that every terminal status shares
//! - [`sweeps`]: lost messages, overdue jobs and expired rows
//! - [`redrive`]: failed jobs that an operator retries, and jobs whose message is in the dead-letter queue

pub mod claims;
mod end;
pub mod outbox;
pub mod redrive;
pub mod requests;
pub mod sweeps;

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
//! claim (a UUID that the worker chose) in its WHERE clause. A write that matches no row came too late and changes nothing.
//! A call whose answer was lost can be repeated. All times are the database's.
//!
//! Statements that change several rows lock them in the order of their ids and skip rows that other sessions have locked,
//! so that they never wait for each other, and one locked row holds up no other job.
//!
//! # Layout, in the order a job travels
//! - [`requests`]: insert, look up, list and cancel, for the API
//! - [`outbox`]: jobs whose messages the relay still has to send
//! - [`mod@evidence`]: what the workers know about the queue, by which lost messages are found
//! - [`claims`]: claim, renew, complete, retry and fail, for the worker
//! - `column`: the parameters of a statement for many rows
//! - `end`: the assignments that every terminal status shares
//! - `entries`: what a job's row forgets when it changes
//! - [`sweeps`]: lost messages, overdue jobs and expired rows
//! - [`dead_letters`]: jobs whose message is in the dead-letter queue
//! - [`failed`]: failed jobs, which operators list and redrive
//! - [`mod@history`], [`record`]: what happened to a job, for operators

pub mod claims;
mod column;
pub mod dead_letters;
mod end;
mod entries;
pub mod evidence;
pub mod failed;
pub mod history;
pub mod outbox;
pub mod record;
pub mod requests;
pub mod sweeps;

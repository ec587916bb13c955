//! The store of jobs, and the only place that changes a job's status.
//!
//! ```text
//!             claim                       complete
//!  PENDING ──────────▶ STARTED ─────────────────────▶ SUCCESS
//!     │                 │  ▲ │
//!     │ cancel    retry │  │ └── fail, or the last attempt ──▶ FAILURE
//!     ▼                 ▼  │ claim
//!  REVOKED ◀─ cancel ─ RETRY        SUCCESS, FAILURE and REVOKED are for good; only a person brings a FAILURE back
//! ```
//!
//! Delivery is at least once, and completion is idempotent: a message may come twice, a worker may believe that it
//! still holds a job that another one took over. So every write of a worker names the claim that it was made under
//! (job, generation, attempt, and status STARTED) in its own WHERE; a write that matches no row came too late and
//! has no effect. All times are the database's.
//!
//! # Layout, in the order a job travels
//! - [`requests`]: insert, read, list, cancel, for the API
//! - [`outbox`]: what the relay still has to send
//! - [`claims`]: claim, renew, complete, retry, fail, for the worker
//! - [`sweeps`]: what time or a lost message has overtaken
//! - [`redrive`]: failed jobs, once more

pub mod claims;
pub mod outbox;
pub mod redrive;
pub mod requests;
pub mod sweeps;

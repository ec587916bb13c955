//! What a worker does with a job: claim it, renew the claim, and record how the attempt ended.
//!
//! # Layout
//! - [`claim`]: a worker's right to a job, and how it gets one
//! - [`renew`]: keep claims from running out
//! - [`complete`], [`retry`], [`fail`], [`revoke`]: the four ends of an attempt

mod claim;
mod finish;
mod renew;

pub use claim::{Claim, ClaimKey, Claimed, Isolation, claim};
pub use finish::{complete, fail, retry, revoke};
pub use renew::{ClaimRenewal, Renewed, renew};

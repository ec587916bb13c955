//! The table of jobs itself as a queue: durable, on one machine, with nothing to install.
//!
//! A job is in the queue from its acceptance, so nothing has to be published, and receiving a job is claiming it. Ending
//! the job removes it from the queue in the same statement that stores its result. So no message can be lost or be
//! delivered twice.
//!
//! # Layout
//! - [`PostgresSubscription`]: waits for jobs and claims them
//! - `look`: one look for jobs, and what later looks learn from it
//! - `scan`: how often to search for jobs, and from which job on

mod look;
mod scan;
mod subscription;

pub use subscription::PostgresSubscription;

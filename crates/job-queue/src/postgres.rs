//! The table of jobs itself as a queue: durable, on one machine, with nothing to install.
//!
//! A job is in the queue from its acceptance, so nothing has to be published, and receiving a job is claiming it. Ending
//! the job removes it from the queue in the same statement that stores its result. So no message can be lost or be
//! delivered twice.
//!
//! # Layout
//! - [`PostgresSubscription`]: waits for jobs and claims them
//! - `scan`: from which job on the next claim searches

mod scan;
mod subscription;

pub use subscription::PostgresSubscription;

//! The table of jobs itself as a queue: durable, on one machine, with nothing to install.
//!
//! Every job that has not ended is in the queue, and ending a job removes it in the same transaction that stores its
//! result. `not_before` is the time of a job's next delivery; delivering a job moves it by the visibility timeout. So no
//! message has to be deleted, and no job that has not ended can be lost.

mod subscription;

pub use subscription::PostgresSubscription;

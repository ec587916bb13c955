//! Tasks that run beside the requests, from the start of the process to its end.

pub mod dispatch;
pub mod event_sender;
pub mod gauges;
pub mod job_watch;
pub mod relay;
pub mod sweeper;
pub mod usage_watch;

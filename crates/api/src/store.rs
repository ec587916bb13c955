//! The tables that only the API writes, and what operators see. Jobs are in [`shared_model::job_store`], because the
//! workers write them too.

pub mod amounts;
pub mod feed_calendars;
pub mod feeds;
pub mod job_counts;
pub mod operations;
pub mod todos;

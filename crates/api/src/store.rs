//! The tables that only the API writes. Jobs are stored by [`shared_model::job_store`].

pub mod feeds;
pub mod todos;

//! What a client sends, checked. Every module here returns its own error and knows nothing of responses.

pub mod calendar;
pub mod callback;
pub mod client;
pub mod deadline;
pub mod failed_jobs;
pub mod headers;
pub mod input_error;
pub mod json_body;
pub mod members;
pub(crate) mod openapi;
pub mod origin;
pub mod query;
pub mod todo;

//! What a client receives: views of the data, streams, links and errors.

pub mod cursor;
pub mod download;
pub mod event_stream;
pub mod feed;
pub mod job;
pub mod links;
pub mod list_page;
pub(crate) mod openapi;
pub mod operator_job;
pub mod problem;
pub mod rate_headers;
pub mod stored_calendar;
pub mod todo;

//! What a client receives.

pub mod cursor;
pub mod download;
pub mod job;
pub mod links;
pub(crate) mod openapi;
pub mod problem;
pub mod stored_calendar;
pub mod todo;

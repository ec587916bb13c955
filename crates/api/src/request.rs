//! What a client sends, checked.

pub mod calendar;
pub mod deadline;
pub mod headers;
pub mod json_body;
pub mod query;
pub mod todo;

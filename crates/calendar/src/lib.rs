//! Writes todos as an iCalendar file (RFC 5545, RFC 7986), and checks such files.
//!
//! A calendar is a pure function of its todos, its options and the host name in its UIDs. The writer reads no clock and
//! uses no random numbers, so a job that is rendered twice produces the same bytes.
//!
//! # Layout, from a todo to its bytes
//! - [`CalendarWriter`] in `writer`: which property each part of a todo becomes
//! - `model`: the parts that are the same for every todo, in the types of the `icalendar` crate
//! - `wire`: escaping, folding and line endings
//! - [`lint`]: checks a calendar's bytes against the rules, independently of the writer
//!
//! This crate never accesses a database or a network.

pub mod lint;
mod model;
mod wire;
mod writer;

pub use writer::{CalendarWriter, Counts};

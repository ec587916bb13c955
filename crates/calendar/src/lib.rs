//! Todos as an iCalendar file (RFC 5545, RFC 7986).
//!
//! A calendar is a pure function of its todos, its options and the host's name. It reads no clock and uses no random
//! numbers: the same job rendered twice gives the same bytes.
//!
//! # Layout
//! - [`CalendarWriter`]: which property each part of a todo becomes
//! - `model`: the parts that are the same for every todo, in the types of the `icalendar` crate
//! - `wire`: escaping, folding, line ends
//! - [`lint`]: checks the bytes of a calendar against the rules, without using the writer
//!
//! Nothing here reads a database or a network.

pub mod lint;
mod model;
mod wire;
mod writer;

pub use writer::{CalendarWriter, Counts};

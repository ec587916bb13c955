//! Content lines as RFC 5545 §3.1 and §3.3 require them: text is escaped, lines are folded and end in CRLF.
//!
//! Every byte of a calendar passes through here. Each is copied once, however long its line is.
//!
//! # Layout, from a component to its bytes
//! - `lines`: the properties of a component, one content line each
//! - `property`: properties that come from the `icalendar` crate's model
//! - `stamp`: times in UTC
//! - `escape`: text values
//! - `fold`: the buffer that keeps each line within 75 octets

mod escape;
mod fold;
mod lines;
mod property;
mod stamp;

pub(crate) use fold::LINE_MAX_OCTETS;
pub(crate) use lines::Lines;
pub(crate) use stamp::Stamp;

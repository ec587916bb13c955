//! What the processes do, counted for displays: how many jobs they accept, publish, run and end, and how long jobs wait
//! and run.
//!
//! A process counts in memory, and [reports](crate::processes) its counts once a second. The table has one row for each
//! process and each ten seconds. A process that crashes loses its last second, and what it reports with an answer that is
//! lost may be counted twice. So nothing but a display may depend on these numbers.
//!
//! # Layout
//! - [`Activity`]: counts in memory
//! - [`Tally`], [`Histogram`]: the counts
//! - `store`: reads the table, and deletes old rows

mod histogram;
mod recorder;
mod store;
mod tally;

pub use histogram::{BOUNDS, Histogram};
pub use recorder::Activity;
pub use store::{PERIOD, Point, delete_old, since};
pub use tally::Tally;

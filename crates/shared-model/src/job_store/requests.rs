//! What the API does with jobs: accept, look up, list, cancel.
//!
//! # Layout
//! - [`insert`], [`insert_once`]: accept jobs
//! - [`find`], [`find_many`], [`list`]: look jobs up
//! - [`cancel`]: end a waiting job, or ask a worker to stop

mod accept;
mod cancel;
mod lookup;

pub use accept::{Accepted, NewJob, Sender, find_replayed, insert, insert_once};
pub use cancel::{Cancelled, cancel};
pub use lookup::{find, find_many, list};

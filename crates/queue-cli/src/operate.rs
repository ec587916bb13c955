//! What operators do with a queue.

pub(crate) mod create;
pub(crate) mod purge;
pub(crate) mod redrive;
pub(crate) mod stats;
pub(crate) mod tail;

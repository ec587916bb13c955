//! The id of this process, and what it does.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::activity::Activity;

/// This process, as the database knows it. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ThisProcess {
    /// 0 until the process is registered. Ids begin at 1.
    id: Arc<AtomicI32>,
    /// Counts what the process does.
    pub activity: Activity,
}

impl ThisProcess {
    /// Returns the id of the process, or `None` while it is not registered.
    pub fn id(&self) -> Option<i32> {
        Some(self.id.load(Ordering::Relaxed)).filter(|id| *id != 0)
    }

    /// Sets the id.
    pub(super) fn set_id(&self, id: Option<i32>) {
        self.id.store(id.unwrap_or(0), Ordering::Relaxed);
    }
}

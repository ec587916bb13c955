//! Counts renders that go on although their attempt is over.
//!
//! A thread can't be cancelled. A render whose attempt has been stopped or has timed out keeps its thread and its
//! connection until it next checks its [`RenderControl`](crate::in_flight::RenderControl).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

/// How many renders are abandoned. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct AbandonedRenders(Arc<AtomicIsize>);

impl AbandonedRenders {
    /// Returns how many renders are abandoned now.
    pub fn count(&self) -> usize {
        // The count is negative for a moment if a render ends while it is being abandoned.
        usize::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Returns two watches on one render, the first for the render's thread and the second for its attempt. The render
    /// counts as abandoned while only the first exists.
    pub(super) fn watch(&self) -> (RenderWatch, RenderWatch) {
        let other_is_gone = Arc::new(AtomicBool::new(false));
        let watch = |is_render| RenderWatch {
            other_is_gone: Arc::clone(&other_is_gone),
            abandoned: self.clone(),
            is_render,
        };
        (watch(true), watch(false))
    }
}

/// One of the two watches on a render.
#[derive(Debug)]
pub(super) struct RenderWatch {
    other_is_gone: Arc<AtomicBool>,
    abandoned: AbandonedRenders,
    is_render: bool,
}

impl Drop for RenderWatch {
    fn drop(&mut self) {
        let is_last = self.other_is_gone.swap(true, Ordering::AcqRel);
        match (self.is_render, is_last) {
            (false, false) => drop(self.abandoned.0.fetch_add(1, Ordering::Relaxed)),
            (true, true) => drop(self.abandoned.0.fetch_sub(1, Ordering::Relaxed)),
            (true, false) | (false, true) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_render_is_abandoned_from_the_end_of_its_attempt_to_its_own_end() {
        let abandoned = AbandonedRenders::default();
        let (render, attempt) = abandoned.watch();
        assert_eq!(abandoned.count(), 0);
        drop(attempt);
        assert_eq!(abandoned.count(), 1);
        drop(render);
        assert_eq!(abandoned.count(), 0);
    }

    #[test]
    fn a_render_that_ends_before_its_attempt_is_not_abandoned() {
        let abandoned = AbandonedRenders::default();
        let (render, attempt) = abandoned.watch();
        drop(render);
        drop(attempt);
        assert_eq!(abandoned.count(), 0);
    }
}

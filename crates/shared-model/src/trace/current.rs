//! The trace of what runs now.

use super::{Trace, TraceContext};

tokio::task_local! {
    static CURRENT: Current;
}

#[derive(Clone, Copy)]
struct Current {
    trace: Option<Trace>,
    /// The span that causes what runs now.
    parent: Option<TraceContext>,
}

impl Current {
    fn of(trace: Option<Trace>) -> Self {
        Self {
            trace,
            parent: trace.and_then(Trace::context),
        }
    }
}

/// Returns the trace that the caller works for, if it does so within [`scope`] or [`within`].
pub fn current() -> Option<Trace> {
    CURRENT.try_with(|current| current.trace).ok().flatten()
}

/// Runs a future for a trace. What it spawns does not belong to the trace.
pub fn scope<F: Future>(trace: Option<Trace>, future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(Current::of(trace), future)
}

/// Runs a function for a trace.
pub fn within<T>(trace: Option<Trace>, function: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(Current::of(trace), function)
}

/// Returns the span that causes what the caller does.
pub(super) fn parent() -> Option<TraceContext> {
    CURRENT.try_with(|current| current.parent).ok().flatten()
}

/// Runs a future for the current trace, caused by a span.
pub(super) fn scope_below<F: Future>(
    parent: Option<TraceContext>,
    future: F,
) -> impl Future<Output = F::Output> {
    let trace = current();
    CURRENT.scope(Current { trace, parent }, future)
}

//! The trace of what runs now.

use super::Trace;

tokio::task_local! {
    static CURRENT: Option<Trace>;
}

/// Returns the trace that the caller works for, if it does so within [`scope`] or [`within`].
pub fn current() -> Option<Trace> {
    CURRENT.try_with(|trace| *trace).ok().flatten()
}

/// Runs a future for a trace. What it spawns does not belong to the trace.
pub fn scope<F: Future>(trace: Option<Trace>, future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(trace, future)
}

/// Runs a function for a trace.
pub fn within<T>(trace: Option<Trace>, function: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(trace, function)
}

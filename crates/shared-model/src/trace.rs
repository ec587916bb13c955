//! Which trace a request or a job belongs to, so that its log lines, its problems and its spans can be found together.
//!
//! A client may name its trace in the header `traceparent` of the [W3C](https://www.w3.org/TR/trace-context-1/). Any other
//! request begins a trace of its own. The job that such a request creates has the trace's id as its own, so nothing has to
//! be stored.
//!
//! # Layout
//! - `context`: the ids of a trace and of its spans, and the header
//! - `current`: the trace of what runs now
//! - `span`: what a process does for a request or a job
//! - `export`: sends spans to a collector

mod context;
mod current;
mod export;
mod span;

use uuid::Uuid;

pub use context::{InvalidTraceparent, SpanId, TRACEPARENT, TraceContext, TraceId};
pub use current::{current, scope, within};
pub use export::{
    Endpoint, Export, Exporter, SPANS_DROPPED, SPANS_EXPORTED, SamplerName, TraceConfig,
    TracesEndpoint,
};
pub use span::{Operation, QueueName, Span};

/// How old the trace of a request may be for its job to get the same id, in milliseconds. Ids of jobs contain their time,
/// and are expected to be stored in about this order.
const MAX_AGE_MILLIS: u64 = 200;

/// The trace of a request or of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// It began with this request or job, and nobody records its spans.
    Own(Uuid),
    /// A client named it, or its spans are recorded.
    Known(TraceContext),
}

impl Trace {
    /// Begins a trace.
    pub fn begin() -> Self {
        Self::Own(Uuid::now_v7())
    }

    /// Returns the trace of the job with this id, whose column `traceparent` has this value. A value that can't be read counts as none.
    pub fn of_job(id: Uuid, traceparent: Option<&str>) -> Self {
        let stored = traceparent.and_then(|text| text.parse().ok());
        Self::of_message(id, stored)
    }

    /// Returns the trace of the job with this id, whose message has this context.
    pub fn of_message(id: Uuid, context: Option<TraceContext>) -> Self {
        context.map_or(Self::Own(id), Self::Known)
    }

    /// Returns the id that log lines and problems show.
    pub fn id(self) -> TraceId {
        match self {
            Self::Own(id) => id.into(),
            Self::Known(context) => context.trace_id,
        }
    }

    /// Returns the context that has to be stored with a job or a message of this trace, if any.
    pub fn context(self) -> Option<TraceContext> {
        match self {
            Self::Own(_) => None,
            Self::Known(context) => Some(context),
        }
    }
}

/// Returns the id of a new job, and the context that has to be stored with it so that it belongs to the current trace.
/// `accepting` is the span of its acceptance.
pub fn new_job(accepting: &mut Span) -> (Uuid, Option<TraceContext>) {
    let (id, context) = id_and_context(accepting.context());
    accepting.set_job(id);
    (id, context)
}

fn id_and_context(accepting: Option<TraceContext>) -> (Uuid, Option<TraceContext>) {
    let id = Uuid::now_v7();
    if accepting.is_some() {
        return (id, accepting);
    }
    match current() {
        Some(Trace::Own(trace)) if is_recent(trace, id) => (trace, None),
        // the request took long
        Some(Trace::Own(trace)) => (id, Some(TraceContext::unrecorded(trace))),
        Some(Trace::Known(context)) => (id, Some(context)),
        None => (id, None),
    }
}

/// Whether the id of a trace could be that of a job that is created now, with the id `job`.
fn is_recent(trace: Uuid, job: Uuid) -> bool {
    let millis = |id: Uuid| id.as_u128() >> 80;
    millis(job).saturating_sub(millis(trace)) <= u128::from(MAX_AGE_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the id of a trace that began some time ago.
    fn begun_ago(millis: u64) -> Uuid {
        let (seconds, nanos) = Uuid::now_v7().get_timestamp().unwrap().to_unix();
        let now = seconds * 1000 + u64::from(nanos) / 1_000_000;
        uuid::Builder::from_unix_timestamp_millis(now - millis, &[7; 10]).into_uuid()
    }

    #[test]
    fn the_job_of_a_request_without_a_traceparent_has_the_id_of_the_trace() {
        let trace = Trace::begin();
        let (id, stored) = within(Some(trace), || new_job(&mut Span::default()));
        assert_eq!(stored, None);
        assert_eq!(Trace::of_job(id, None), trace);
    }

    #[test]
    fn the_job_of_a_slow_request_has_a_new_id_and_stores_its_trace() {
        let trace = Trace::Own(begun_ago(10_000));
        let (id, stored) = within(Some(trace), || new_job(&mut Span::default()));
        assert_ne!(TraceId::from(id), trace.id());
        let context = stored.unwrap();
        assert!(!context.is_sampled);
        assert_eq!(
            Trace::of_job(id, Some(&context.to_string())).id(),
            trace.id()
        );
    }

    #[test]
    fn the_job_of_a_request_with_a_traceparent_stores_it() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = Trace::Known(text.parse().unwrap());
        let (id, stored) = within(Some(trace), || new_job(&mut Span::default()));
        assert_eq!(stored.unwrap().to_string(), text);
        assert_eq!(Trace::of_job(id, Some(text)), trace);
    }

    #[test]
    fn a_job_outside_of_any_request_begins_its_own_trace() {
        let (id, stored) = new_job(&mut Span::default());
        assert_eq!(stored, None);
        assert_eq!(Trace::of_job(id, Some("garbage")), Trace::Own(id));
    }
}

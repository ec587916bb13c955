//! Spans: what a process does for a request or a job, and for how long.
//!
//! Names and attributes follow the semantic conventions of OpenTelemetry for
//! [HTTP](https://opentelemetry.io/docs/specs/semconv/http/http-spans/) and
//! [messaging](https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/).

use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceFlags,
    TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::SdkTracer;
use uuid::Uuid;

use super::context::{SpanId, TraceContext, TraceId};
use super::current::{parent, scope_below};

/// Makes the spans of this process, if they are exported.
static TRACER: OnceLock<(SdkTracer, QueueName)> = OnceLock::new();

/// The queue, in the attributes of spans.
#[derive(Debug, Clone)]
pub struct QueueName {
    /// The kind of the queue: `messaging.system`.
    pub system: &'static str,
    /// Its name: `messaging.destination.name`.
    pub name: String,
}

/// What is done with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The API stores the job.
    Accept,
    /// The API sends its message.
    Publish,
    /// A worker handles what the queue delivers.
    Deliver,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Publish => "publish",
            Self::Deliver => "deliver",
        }
    }

    /// Returns the type and the kind of span that the conventions prescribe for it.
    fn conventions(self) -> (&'static str, SpanKind) {
        match self {
            Self::Accept => ("create", SpanKind::Producer),
            Self::Publish => ("send", SpanKind::Client),
            Self::Deliver => ("process", SpanKind::Consumer),
        }
    }
}

/// A span, which ends when it is dropped. It is empty if nobody exports the spans of this process.
#[derive(Debug, Default)]
pub struct Span(Option<opentelemetry_sdk::trace::Span>);

impl Span {
    /// Begins a span of the handling of an HTTP request, whose client may have named the span that caused it.
    pub fn server(method: &'static str, parent: Option<TraceContext>) -> Self {
        let mut span = Self::start(SpanBuilder::from_name(method), SpanKind::Server, parent);
        span.set("http.request.method", method);
        span
    }

    /// Begins a span of a step, below the current one. Without a current one there is no span.
    pub fn step(name: &'static str) -> Self {
        match parent() {
            Some(parent) => Self::start(
                SpanBuilder::from_name(name),
                SpanKind::Internal,
                Some(parent),
            ),
            None => Self::default(),
        }
    }

    /// Begins a span of something that is done with a job, below the current one.
    pub fn operation(operation: Operation) -> Self {
        Self::operation_below(operation, parent(), Duration::ZERO)
    }

    /// Begins a span of something that is done with a job, `ago` before now, below the span that caused it. Without one there
    /// is no span.
    pub fn operation_below(
        operation: Operation,
        parent: Option<TraceContext>,
        ago: Duration,
    ) -> Self {
        match parent {
            Some(parent) => Self::of_queue(operation, ago, |builder, kind| {
                Self::start(builder, kind, Some(parent))
            }),
            None => Self::default(),
        }
    }

    /// Begins a span `ago` before now in a new trace, which is linked with the span that caused it, if that is recorded. For what is done
    /// again: as children, attempts that are hours apart would make one endless span of a job.
    pub fn operation_after(
        operation: Operation,
        cause: Option<TraceContext>,
        ago: Duration,
    ) -> Self {
        match cause.filter(|cause| cause.is_sampled) {
            Some(cause) => Self::of_queue(operation, ago, |mut builder, kind| {
                builder.links = Some(vec![Link::with_context(remote(cause))]);
                Self::start(builder, kind, None)
            }),
            None => Self::default(),
        }
    }

    fn of_queue(
        operation: Operation,
        ago: Duration,
        start: impl FnOnce(SpanBuilder, SpanKind) -> Self,
    ) -> Self {
        let Some((_, queue)) = TRACER.get() else {
            return Self::default();
        };
        let (kind_of_operation, kind) = operation.conventions();
        let name = format!("{} {}", operation.name(), queue.name);
        let mut span = start(builder(name, ago), kind);
        span.set("messaging.system", queue.system);
        span.set("messaging.destination.name", queue.name.clone());
        span.set("messaging.operation.name", operation.name());
        span.set("messaging.operation.type", kind_of_operation);
        span
    }

    fn start(builder: SpanBuilder, kind: SpanKind, parent: Option<TraceContext>) -> Self {
        let Some((tracer, _)) = TRACER.get() else {
            return Self::default();
        };
        let cause = parent.map(|parent| Context::new().with_remote_span_context(remote(parent)));
        let builder = builder.with_kind(kind);
        Self(Some(
            tracer.build_with_context(builder, &cause.unwrap_or_default()),
        ))
    }

    /// Returns the context of what this span causes, unless it is empty.
    pub fn context(&self) -> Option<TraceContext> {
        let context = self.0.as_ref()?.span_context();
        Some(TraceContext {
            trace_id: TraceId::new(context.trace_id().to_bytes())?,
            span_id: SpanId::new(context.span_id().to_bytes())?,
            is_sampled: context.is_sampled(),
        })
    }

    /// Sets an attribute.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, value));
        }
    }

    /// Sets which job this is about.
    pub fn set_job(&mut self, id: Uuid) {
        if self.0.is_some() {
            self.set("job.id", id.to_string());
            self.set("messaging.message.conversation_id", id.to_string());
        }
    }

    /// Replaces the name.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        if let Some(span) = &mut self.0 {
            span.update_name(name.into());
        }
    }

    /// Records that what the span is about failed, with a class of errors of which there are few.
    pub fn fail(&mut self, error_type: &'static str) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new("error.type", error_type));
            span.set_status(Status::error(""));
        }
    }

    /// Runs a future that is caused by this span.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        scope_below(self.context().or_else(parent), future)
    }

    /// Records a step below this span that began `ago` before now and has just ended.
    pub fn ended_step(&self, name: &'static str, ago: Duration) {
        let Some(parent) = self.context() else { return };
        drop(Self::start(
            builder(name, ago),
            SpanKind::Internal,
            Some(parent),
        ));
    }
}

fn builder(name: impl Into<Cow<'static, str>>, ago: Duration) -> SpanBuilder {
    SpanBuilder {
        start_time: SystemTime::now().checked_sub(ago),
        ..SpanBuilder::from_name(name)
    }
}

fn remote(context: TraceContext) -> SpanContext {
    let flags = if context.is_sampled {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::default()
    };
    SpanContext::new(
        opentelemetry::TraceId::from_bytes(context.trace_id.to_bytes()),
        opentelemetry::SpanId::from_bytes(context.span_id.to_bytes()),
        flags,
        true,
        TraceState::default(),
    )
}

/// Lets spans be made from now on.
pub(super) fn install(tracer: SdkTracer, queue: QueueName) {
    // only tests start two processes in one
    let _ = TRACER.set((tracer, queue));
}

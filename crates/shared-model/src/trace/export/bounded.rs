//! Bounds and counts the spans that wait for their export.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};

/// Spans that the collector has accepted.
pub const SPANS_EXPORTED: &str = "trace_spans_exported_total";
/// Spans that were dropped, because too many waited or the collector did not accept them.
pub const SPANS_DROPPED: &str = "trace_spans_dropped_total";

/// How many spans wait at most, unless `OTEL_BSP_MAX_QUEUE_SIZE` says otherwise: those of some seconds of full load. Each
/// has about a kilobyte.
const MAX_WAITING: usize = 8192;
/// The time between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// Returns a processor that passes ended spans to `exporter`.
pub(super) fn processor(exporter: impl SpanExporter + 'static) -> impl SpanProcessor {
    let waiting = Arc::new(Waiting {
        max: max_waiting(),
        count: AtomicUsize::new(0),
        warned_at: Mutex::default(),
    });
    let exporter = Counting {
        exporter,
        waiting: Arc::clone(&waiting),
    };
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(waiting.max)
        .build();
    Bounded {
        batches: BatchSpanProcessor::builder(exporter)
            .with_batch_config(config)
            .build(),
        waiting,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a variable of OpenTelemetry, which its crates read in the same way"
)]
fn max_waiting() -> usize {
    let set = std::env::var("OTEL_BSP_MAX_QUEUE_SIZE").ok();
    let set = set.and_then(|text| text.parse().ok());
    set.filter(|max| *max > 0).unwrap_or(MAX_WAITING)
}

/// The spans that have ended and are not exported yet.
#[derive(Debug)]
struct Waiting {
    max: usize,
    count: AtomicUsize,
    warned_at: Mutex<Option<Instant>>,
}

impl Waiting {
    /// Takes a place for a span. Returns whether there was one.
    fn enter(&self) -> bool {
        let next = |count| (count < self.max).then_some(count + 1);
        self.count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }

    fn leave(&self, count: usize) {
        self.count.fetch_sub(count, Ordering::Relaxed);
    }

    /// Counts spans that were dropped, and logs that now and then.
    fn dropped(&self, count: usize, reason: &'static str, error: &str) {
        metrics::counter!(SPANS_DROPPED, "reason" => reason).increment(count as u64);
        let mut warned_at = self
            .warned_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if warned_at.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL) {
            *warned_at = Some(Instant::now());
            drop(warned_at);
            log::warn!("trace.spans" = count, error; "could not export traces; the spans are dropped");
        }
    }
}

/// Limits how many spans wait.
#[derive(Debug)]
struct Bounded {
    batches: BatchSpanProcessor,
    waiting: Arc<Waiting>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.waiting.enter() {
            self.batches.on_end(span);
        } else {
            self.waiting.dropped(1, "queue_full", "too many spans wait");
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Counts what is exported.
#[derive(Debug)]
struct Counting<E> {
    exporter: E,
    waiting: Arc<Waiting>,
}

impl<E: SpanExporter> SpanExporter for Counting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let exported = self.exporter.export(batch).await;
        self.waiting.leave(count);
        match &exported {
            Ok(()) => metrics::counter!(SPANS_EXPORTED).increment(count as u64),
            Err(error) => self.waiting.dropped(count, "refused", &error.to_string()),
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_that_finds_no_place_is_dropped_until_others_are_exported() {
        let waiting = Waiting {
            max: 2,
            count: AtomicUsize::new(0),
            warned_at: Mutex::default(),
        };
        assert_eq!([(); 3].map(|()| waiting.enter()), [true, true, false]);
        waiting.leave(2);
        assert!(waiting.enter());
    }
}

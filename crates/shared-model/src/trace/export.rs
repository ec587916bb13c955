//! Exports spans over OTLP, as binary protobuf over HTTP.
//!
//! Nothing waits for the export: a thread of its own sends batches, at most a fixed number of spans wait for it, and those
//! that find no place are counted and dropped.
//!
//! # Layout
//! - `settings`: whether and where to export, and which traces
//! - `bounded`: bounds and counts the spans that wait
//! - `client`: sends a batch

mod bounded;
mod client;
mod settings;

use std::time::Duration;

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, Value};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::span::{self, QueueName};
pub use bounded::{SPANS_DROPPED, SPANS_EXPORTED};
use client::Client;
pub use settings::{Endpoint, Exporter, SamplerName, TraceConfig, TracesEndpoint};

/// How long the end of the process waits until the last spans are exported.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Exports spans until it is dropped, which waits a few seconds for the last ones.
#[derive(Debug)]
pub struct Export(SdkTracerProvider);

impl TraceConfig {
    /// Starts to export the spans of this process, if there is a collector. The attributes of the process, the headers and
    /// the sizes of batches are those that further variables of OpenTelemetry name, which its crates read.
    ///
    /// # Errors
    /// Returns an error if the crates of OpenTelemetry refuse the settings.
    pub fn start(&self, service: &'static str, queue: QueueName) -> anyhow::Result<Option<Export>> {
        let Some(url) = self.url() else {
            return Ok(None);
        };
        let timeout = self.timeout();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(url)
            .with_timeout(timeout.unwrap_or(Duration::MAX))
            .with_http_client(Client::new(timeout))
            .build()
            .context("can't export traces")?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource(service))
            .with_sampler(self.sampler())
            .with_span_processor(bounded::processor(exporter))
            .build();
        span::install(provider.tracer("taskoverflow"), queue);
        Ok(Some(Export(provider)))
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_TIMEOUT) {
            log::warn!(error:%; "could not export the last traces");
        }
    }
}

/// Returns what the variables of OpenTelemetry say of this process. Its name is `service` unless they have another.
fn resource(service: &'static str) -> Resource {
    let resource = Resource::builder().build();
    let is_named = resource
        .get(&Key::from_static_str("service.name"))
        .is_some_and(|name: Value| !name.as_str().starts_with("unknown_service"));
    if is_named {
        return resource;
    }
    Resource::builder().with_service_name(service).build()
}

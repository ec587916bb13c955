//! Exports spans over OTLP, as binary protobuf over HTTP.
//!
//! Nothing waits for the export: a thread of its own sends batches, at most a fixed number of spans wait for it, and those
//! that find no place are counted and dropped.
//!
//! # Layout
//! - `client`: sends a batch
//! - `bounded`: bounds and counts the spans that wait

mod bounded;
mod client;

use std::fmt;
use std::str::FromStr;
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

/// How long the end of the process waits until the last spans are exported.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// What OTLP appends to the endpoint.
const PATH: &str = "/v1/traces";

/// Where the traces go.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Traces")]
pub struct TraceConfig {
    /// Where to export traces to.
    #[arg(
        long,
        env,
        value_name = "URL",
        help = "Export traces to this OpenTelemetry collector, over HTTP, such as http://localhost:4318 [default: don't]"
    )]
    pub otel_exporter_otlp_endpoint: Option<Endpoint>,
}

/// The URL of a collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(String);

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = text.trim_end_matches('/');
        let uri: Option<ureq::http::Uri> = url.parse().ok();
        let is_base = |uri: ureq::http::Uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none()
        };
        if uri.is_some_and(is_base) {
            return Ok(Self(url.to_owned()));
        }
        Err(format!(
            "it must be an http or https URL, such as http://localhost:4318; {PATH} is appended to it"
        ))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Exports spans until it is dropped, which waits a few seconds for the last ones.
#[derive(Debug)]
pub struct Export(SdkTracerProvider);

impl TraceConfig {
    /// Starts to export the spans of this process, if there is a collector. The variables of OpenTelemetry choose the
    /// sampler, the attributes of the process and so on.
    ///
    /// # Errors
    /// Returns an error if these variables are invalid.
    pub fn start(&self, service: &'static str, queue: QueueName) -> anyhow::Result<Option<Export>> {
        let Some(endpoint) = &self.otel_exporter_otlp_endpoint else {
            return Ok(None);
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{endpoint}{PATH}"))
            .with_http_client(Client::new())
            .build()
            .context("can't export traces")?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource(service))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_the_base_of_an_http_url() {
        for text in [
            "http://localhost:4318",
            "http://localhost:4318/",
            "https://c.example/otlp",
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text.trim_end_matches('/'));
        }
        for text in [
            "",
            "localhost:4318",
            "grpc://localhost:4317",
            "http://",
            "http://a/?b=c",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text:?}");
        }
    }
}

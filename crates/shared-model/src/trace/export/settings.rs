//! Whether and where to export, in the [variables of
//! OpenTelemetry](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
//!
//! The specification asks for a warning if a value is invalid. It is an error instead, as for every setting of the service:
//! otherwise a typing error would record everything, or nothing.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::ArgAction;
use opentelemetry_sdk::trace::Sampler;
use ureq::http::Uri;

/// What OTLP appends to the address of a collector.
const PATH: &str = "/v1/traces";
/// Where a collector on this machine listens.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318";
/// How long an export may take by default, in milliseconds.
const DEFAULT_TIMEOUT: u32 = 10_000;

/// Whether and where to export the traces, and which of them.
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
    /// The whole URL to which to export traces. Overrides the endpoint.
    #[arg(
        long,
        env,
        value_name = "URL",
        help = "The whole URL to which to export traces, such as http://localhost:4318/v1/traces. Overrides the endpoint"
    )]
    pub otel_exporter_otlp_traces_endpoint: Option<TracesEndpoint>,
    /// How long the export of some spans may take, in milliseconds. 0 means that there is no limit [default: 10000]
    #[arg(long, env, value_name = "MILLISECONDS", value_parser = milliseconds)]
    pub otel_exporter_otlp_timeout: Option<u32>,
    /// The same for traces. Overrides the other timeout
    #[arg(long, env, value_name = "MILLISECONDS", value_parser = milliseconds)]
    pub otel_exporter_otlp_traces_timeout: Option<u32>,
    /// How to export traces.
    #[arg(
        long,
        env,
        value_name = "EXPORTER",
        ignore_case = true,
        help = "How to export traces. With otlp and without an endpoint, they are exported to http://localhost:4318"
    )]
    pub otel_traces_exporter: Option<Exporter>,
    /// Whether nothing is exported, whatever the other settings are
    #[arg(long, env, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_value_t = false,
        default_missing_value = "true", value_parser = boolean)]
    pub otel_sdk_disabled: bool,
    /// Which traces to record.
    #[arg(
        long,
        env,
        value_name = "SAMPLER",
        ignore_case = true,
        help = "Which traces to record. The samplers parentbased_… decide only about traces that begin here [default: \
        parentbased_always_on]"
    )]
    pub otel_traces_sampler: Option<SamplerName>,
    /// Which share of the traces the samplers …traceidratio record, from 0 to 1 [default: 1]
    #[arg(long, env, value_name = "SHARE", value_parser = share)]
    pub otel_traces_sampler_arg: Option<f64>,
}

/// How traces are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Exporter {
    /// Over OTLP
    Otlp,
    /// Not at all
    None,
}

/// The names of samplers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "https://opentelemetry.io/docs/specs/otel/trace/sdk/#built-in-samplers"
)]
pub enum SamplerName {
    AlwaysOn,
    AlwaysOff,
    #[value(name = "traceidratio")]
    TraceIdRatio,
    #[value(name = "parentbased_always_on")]
    ParentBasedAlwaysOn,
    #[value(name = "parentbased_always_off")]
    ParentBasedAlwaysOff,
    #[value(name = "parentbased_traceidratio")]
    ParentBasedTraceIdRatio,
}

impl TraceConfig {
    /// Returns the URL to which spans are exported, or `None` if they are not exported.
    pub(super) fn url(&self) -> Option<String> {
        if self.otel_sdk_disabled || self.otel_traces_exporter == Some(Exporter::None) {
            return None;
        }
        if let Some(TracesEndpoint(url)) = &self.otel_exporter_otlp_traces_endpoint {
            return Some(url.clone());
        }
        let base = self.otel_exporter_otlp_endpoint.as_ref();
        let base = base.map(|Endpoint(url)| url.as_str());
        let default = self.otel_traces_exporter.map(|_| DEFAULT_ENDPOINT);
        base.or(default).map(|base| format!("{base}{PATH}"))
    }

    /// Returns how long an export may take, or `None` if there is no limit.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let set = self.otel_exporter_otlp_traces_timeout;
        let set = set.or(self.otel_exporter_otlp_timeout);
        match set.unwrap_or(DEFAULT_TIMEOUT) {
            0 => None,
            millis => Some(Duration::from_millis(millis.into())),
        }
    }

    /// Returns what decides which traces are recorded.
    pub(super) fn sampler(&self) -> Sampler {
        let ratio = Sampler::TraceIdRatioBased(self.otel_traces_sampler_arg.unwrap_or(1.0));
        let by_parent = |root| Sampler::ParentBased(Box::new(root));
        match self.otel_traces_sampler {
            Some(SamplerName::AlwaysOn) => Sampler::AlwaysOn,
            Some(SamplerName::AlwaysOff) => Sampler::AlwaysOff,
            Some(SamplerName::TraceIdRatio) => ratio,
            Some(SamplerName::ParentBasedAlwaysOn) | None => by_parent(Sampler::AlwaysOn),
            Some(SamplerName::ParentBasedAlwaysOff) => by_parent(Sampler::AlwaysOff),
            Some(SamplerName::ParentBasedTraceIdRatio) => by_parent(ratio),
        }
    }
}

/// The base of the URLs of a collector, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(String);

/// The URL of a collector for traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracesEndpoint(String);

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match http_url(text) {
            Some(uri) if uri.query().is_none() => Ok(Self(text.trim_end_matches('/').to_owned())),
            _ => Err(format!(
                "it must be an http or https URL, such as {DEFAULT_ENDPOINT}; {PATH} is appended to it"
            )),
        }
    }
}

impl FromStr for TracesEndpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if http_url(text).is_some() {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "it must be an http or https URL, such as {DEFAULT_ENDPOINT}{PATH}; nothing is appended to it"
        ))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn http_url(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    matches!(uri.scheme_str(), Some("http" | "https")).then_some(uri)
}

fn milliseconds(text: &str) -> Result<u32, String> {
    let millis = text.parse().ok();
    millis.ok_or_else(|| "must be a whole number of milliseconds, such as 10000".to_owned())
}

fn boolean(text: &str) -> Result<bool, String> {
    let value = text.to_ascii_lowercase().parse().ok();
    value.ok_or_else(|| "must be true or false".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok();
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "must be a number from 0 to 1, such as 0.01".to_owned())
}

#[cfg(test)]
mod tests;

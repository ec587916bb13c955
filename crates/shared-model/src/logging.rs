//! The log: text on a terminal, JSON elsewhere. `RUST_LOG` filters it, as usual in Rust. Every line that belongs to a
//! request or a job has its [`trace`] as the field `trace_id`.

use std::io::{self, IsTerminal, Write};
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use env_logger::fmt::Formatter;
use log::Record;
use log::kv::{Error, Key, Value, VisitSource};
use serde_json::{Map, Value as Json};

use crate::trace::{self, Trace};

/// The field with the id of the trace.
const TRACE_ID: &str = "trace_id";

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line of text for each record.
    Text,
    /// One line with a JSON object for each record.
    Json,
}

/// What the process logs, and in which format.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Log")]
pub struct LogConfig {
    /// What to log: a level (error, warn, info, debug, trace), or a comma-separated list of MODULE=LEVEL
    #[arg(long, env, value_name = "FILTER", default_value = "info")]
    pub rust_log: String,
    /// The format of the log [default: text on a terminal, otherwise json]
    #[arg(long, env, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// Starts to write the log of this process to stderr. A second call has no effect.
pub fn init(config: &LogConfig) {
    let format = config.log_format.unwrap_or_else(|| {
        if std::io::stderr().is_terminal() {
            LogFormat::Text
        } else {
            LogFormat::Json
        }
    });
    let mut builder = env_logger::Builder::new();
    // its startup messages repeat those of our processes
    builder.filter_module("actix_server", log::LevelFilter::Warn);
    // The client of RabbitMQ logs every refusal and broken connection as an error. What matters is logged where it is handled.
    builder.filter_module("lapin", log::LevelFilter::Off);
    // It also logs the spans of its threads, which say nothing here.
    builder.filter_module("tracing::span", log::LevelFilter::Off);
    // The client of Kafka logs every failure as an error, too.
    builder.filter_module("rdkafka", log::LevelFilter::Off);
    builder.parse_filters(&config.rust_log);
    builder.format(match format {
        LogFormat::Text => write_text,
        LogFormat::Json => write_json,
    });
    let _ = builder.try_init();
}

fn now(precision: SecondsFormat) -> String {
    DateTime::<Utc>::from(SystemTime::now()).to_rfc3339_opts(precision, true)
}

/// Writes `[TIME LEVEL TARGET] MESSAGE KEY=VALUE…`.
fn write_text(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = now(SecondsFormat::Secs);
    let level = record.level();
    let style = out.default_level_style(level);
    let (target, message) = (record.target(), record.args());
    write!(
        out,
        "[{time} {style}{level:<5}{style:#} {target}] {message}"
    )?;
    // a field that can't be read must not suppress the whole line
    let _ = record.key_values().visit(&mut TextFields(out));
    if let Some(id) = trace::current().map(Trace::id) {
        write!(out, " {TRACE_ID}={id}")?;
    }
    writeln!(out)
}

struct TextFields<'a>(&'a mut Formatter);

impl<'kvs> VisitSource<'kvs> for TextFields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        write!(self.0, " {key}={value}")?;
        Ok(())
    }
}

fn write_json(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let mut line = Map::new();
    for (name, text) in [
        ("time", now(SecondsFormat::Micros)),
        ("level", record.level().as_str().to_lowercase()),
        ("target", record.target().to_owned()),
        ("message", record.args().to_string()),
    ] {
        line.insert(name.to_owned(), Json::String(text));
    }
    let _ = record.key_values().visit(&mut JsonFields(&mut line));
    if let Some(id) = trace::current().map(Trace::id) {
        line.insert(TRACE_ID.to_owned(), Json::String(id.to_string()));
    }
    writeln!(out, "{}", Json::Object(line))
}

struct JsonFields<'a>(&'a mut Map<String, Json>);

impl<'kvs> VisitSource<'kvs> for JsonFields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let json = if let Some(number) = value.to_i64() {
            Json::from(number)
        } else if let Some(flag) = value.to_bool() {
            Json::from(flag)
        } else if let Some(number) = value.to_f64() {
            Json::from(number)
        } else {
            Json::from(value.to_string())
        };
        self.0.insert(key.as_str().to_owned(), json);
        Ok(())
    }
}

//! The log: lines for a person at a terminal, JSON for a machine. `RUST_LOG` filters, as everywhere in Rust.

use std::io::{IsTerminal, Write};

use log::kv::{Error, Key, Value, VisitSource};
use serde_json::{Map, Value as Json};

/// The form of the log's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One readable line.
    Text,
    /// One JSON object a line.
    Json,
}

/// How the process logs.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Log")]
pub struct LogConfig {
    /// Which records are logged: a level (error, warn, info, debug, trace), or several as MODULE=LEVEL, with commas
    #[arg(long, env, value_name = "FILTER", default_value = "info")]
    pub rust_log: String,
    /// The form of the lines [default: text on a terminal, else json]
    #[arg(long, env, value_name = "FORM")]
    pub log_format: Option<LogFormat>,
}

/// Sends the process's log to stderr. A second call changes nothing.
pub fn init(config: &LogConfig) {
    let format = config.log_format.unwrap_or_else(|| {
        if std::io::stderr().is_terminal() {
            LogFormat::Text
        } else {
            LogFormat::Json
        }
    });
    let mut builder = env_logger::Builder::new();
    // says at each start what the processes say themselves
    builder.filter_module("actix_server", log::LevelFilter::Warn);
    builder.parse_filters(&config.rust_log);
    if format == LogFormat::Json {
        builder.format(|out, record| {
            let mut line = Map::new();
            line.insert(
                "time".to_owned(),
                Json::String(out.timestamp_micros().to_string()),
            );
            line.insert(
                "level".to_owned(),
                Json::String(record.level().as_str().to_lowercase()),
            );
            line.insert(
                "target".to_owned(),
                Json::String(record.target().to_owned()),
            );
            line.insert(
                "message".to_owned(),
                Json::String(record.args().to_string()),
            );
            // a field that can't be read must not cost the line
            let _ = record.key_values().visit(&mut Fields(&mut line));
            writeln!(out, "{}", Json::Object(line))
        });
    }
    let _ = builder.try_init();
}

struct Fields<'a>(&'a mut Map<String, Json>);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
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

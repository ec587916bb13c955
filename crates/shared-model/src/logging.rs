//! The log: text on a terminal, JSON elsewhere. `RUST_LOG` filters it, as usual in Rust.

use std::io::{IsTerminal, Write};

use log::kv::{Error, Key, Value, VisitSource};
use serde_json::{Map, Value as Json};

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
            // a field that can't be read must not suppress the whole line
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

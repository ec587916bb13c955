//! Where the metrics go besides `/metrics`.

use std::fmt;
use std::str::FromStr;

/// The longest namespace, in characters:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>.
const MAX_LENGTH: usize = 255;

/// Where the metrics go besides `/metrics`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsConfig {
    /// On AWS: write the most important metrics to stdout once a minute, as a line of JSON from which CloudWatch Logs makes
    /// metrics in this namespace [default: don't]
    #[arg(long, env, value_name = "NAMESPACE")]
    pub emf_namespace: Option<Namespace>,
    /// Write only these metrics, separated by commas, by their names in CloudWatch [default: all that have one]
    #[arg(long, env, value_name = "NAMES", value_delimiter = ',')]
    pub emf_metrics: Vec<String>,
}

impl MetricsConfig {
    /// Returns whether the metric with this name in CloudWatch is written.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.emf_metrics.is_empty() || self.emf_metrics.iter().any(|wanted| wanted == name)
    }
}

/// A namespace of CloudWatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(String);

impl FromStr for Namespace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ".-_/#: ".contains(c);
        if text.trim().is_empty() || text.len() > MAX_LENGTH || !text.chars().all(is_allowed) {
            return Err(format!(
                "a namespace has 1 to {MAX_LENGTH} letters, digits, spaces and characters of .-_/#:"
            ));
        }
        if text.starts_with("AWS/") || text.starts_with(':') {
            return Err("AWS reserves namespaces that begin with AWS/ or a colon".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_cloudwatch_would_refuse_is_refused() {
        for text in ["taskoverflow", "Team A/todo.prod#1:x_-"] {
            assert_eq!(text.parse::<Namespace>().unwrap().to_string(), text);
        }
        for text in ["", "  ", "AWS/SQS", ":x", "a{b}", "größe", &"x".repeat(256)] {
            assert!(text.parse::<Namespace>().is_err(), "{text:?}");
        }
    }
}

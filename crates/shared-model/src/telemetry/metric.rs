//! What is known about a metric before it has a value.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

use super::samples::Sample;

/// A metric of a process. Its name follows the conventions of Prometheus.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// How its values behave.
    pub kind: Kind,
    /// The unit of its values.
    pub unit: Unit,
    /// What it means.
    pub help: &'static str,
    /// Its labels.
    pub labels: Labels,
    /// Which of its series CloudWatch gets.
    pub(super) in_cloudwatch: InCloudWatch,
}

/// What is known about the labels of a metric in advance.
#[derive(Debug, Clone, Copy)]
pub enum Labels {
    /// It has none.
    None,
    /// One label, and its values.
    One(&'static str, &'static [&'static str]),
    /// It has labels whose values are not known.
    Unknown,
}

/// Which series of a metric CloudWatch gets. It charges for each.
#[derive(Debug, Clone, Copy)]
pub(super) enum InCloudWatch {
    None,
    All,
    /// Those with these values of the label.
    If(&'static [&'static str]),
}

/// How the values of a metric behave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// A distribution, with these upper bounds of its buckets.
    Histogram(&'static [f64]),
}

impl Kind {
    /// Returns the name of the kind in the format of Prometheus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Metric {
    /// Returns a counter.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Counter, Unit::Count, help)
    }

    /// Returns a gauge.
    pub const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self::new(name, Kind::Gauge, unit, help)
    }

    /// Returns a histogram of durations in seconds.
    pub const fn durations(name: &'static str, bounds: &'static [f64], help: &'static str) -> Self {
        Self::new(name, Kind::Histogram(bounds), Unit::Seconds, help)
    }

    const fn new(name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Self {
        Self {
            name,
            kind,
            unit,
            help,
            labels: Labels::None,
            in_cloudwatch: InCloudWatch::None,
        }
    }

    /// Adds a label whose values are known in advance. The series of a counter begin at zero, so that Prometheus sees their
    /// first increase.
    #[must_use]
    pub const fn by(mut self, label: &'static str, values: &'static [&'static str]) -> Self {
        self.labels = Labels::One(label, values);
        self
    }

    /// Says that the metric has labels whose values are not known in advance.
    #[must_use]
    pub const fn labelled(mut self) -> Self {
        self.labels = Labels::Unknown;
        self
    }

    /// Sends all series of the metric to CloudWatch.
    #[must_use]
    pub const fn in_cloudwatch(mut self) -> Self {
        self.in_cloudwatch = InCloudWatch::All;
        self
    }

    /// Sends the series with these values of the label to CloudWatch.
    #[must_use]
    pub const fn in_cloudwatch_if(mut self, values: &'static [&'static str]) -> Self {
        self.in_cloudwatch = InCloudWatch::If(values);
        self
    }

    /// Returns the value of the metric's one label of a sample.
    pub(super) fn value_of_label<'a>(&self, sample: &Sample<'a>) -> Option<&'a str> {
        match self.labels {
            Labels::One(label, _) => sample.label(label),
            Labels::None | Labels::Unknown => None,
        }
    }

    /// Tells the recorder about the metric, and begins the series of a counter.
    pub(super) fn describe(&self) {
        match self.kind {
            Kind::Counter => {
                describe_counter!(self.name, self.unit, self.help);
                self.begin_at_zero();
            }
            Kind::Gauge => describe_gauge!(self.name, self.unit, self.help),
            Kind::Histogram(_) => describe_histogram!(self.name, self.unit, self.help),
        }
    }

    fn begin_at_zero(&self) {
        match self.labels {
            Labels::Unknown => {}
            Labels::None => metrics::counter!(self.name).increment(0),
            Labels::One(label, values) => {
                for value in values {
                    metrics::counter!(self.name, label => *value).increment(0);
                }
            }
        }
    }
}

//! The values that the recorder renders: one line of text for each.

/// The value of one series of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample<'a> {
    /// The metric's name, with the suffix of a histogram's series.
    pub(super) name: &'a str,
    /// The labels as they are written between the braces. Empty without labels.
    pub(super) labels: &'a str,
    pub(super) value: f64,
}

/// Returns the samples in the text format of Prometheus, as the recorder renders it: without timestamps.
pub(super) fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(sample)
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    Some(Sample {
        name,
        labels,
        value: value.parse().ok()?,
    })
}

impl<'a> Sample<'a> {
    /// Returns the value of a label. The values of our own labels contain no quotes.
    pub(super) fn label(&self, name: &str) -> Option<&'a str> {
        self.labels.split(',').find_map(|label| {
            let value = label.strip_prefix(name)?.strip_prefix("=\"")?;
            value.strip_suffix('"')
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_and_without_labels() {
        let text = "# HELP a A.\n# TYPE a counter\na 3\nb_bucket{x=\"y\",le=\"+Inf\"} 0.5\n\n";
        let all: Vec<_> = samples(text).collect();
        let (name, labels, value) = ("a", "", 3.0);
        let first = Sample {
            name,
            labels,
            value,
        };
        assert_eq!(all[0], first);
        assert_eq!(all[1].name, "b_bucket");
        assert_eq!(all[1].label("le"), Some("+Inf"));
        assert_eq!(all[1].label("x"), Some("y"));
        assert_eq!(all[1].label("z"), None);
        assert_eq!(all.len(), 2);
    }
}

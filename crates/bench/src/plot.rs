//! An SVG with two panels over the same seconds: jobs accepted and completed, and the time that jobs took.

use std::fmt::Write;

use crate::timeline::Timeline;

const WIDTH: f64 = 900.0;
const PANEL: f64 = 170.0;
const LEFT: f64 = 64.0;
const GAP: f64 = 60.0;
const RIGHT: f64 = 20.0;
const HEIGHT: f64 = 2.0 * PANEL + 3.0 * GAP;

const ACCEPTED: &str = "#d97706";
const COMPLETED: &str = "#2563eb";
const P50: &str = "#1e3a8a";
const P99: &str = "#60a5fa";

/// How a value becomes a height.
#[derive(Clone, Copy)]
enum Scale {
    Linear,
    Logarithmic,
}

struct Line {
    name: &'static str,
    colour: &'static str,
    values: Vec<f64>,
}

/// Draws a timeline.
pub fn svg(timeline: &Timeline) -> String {
    let line = |name, colour, value: &dyn Fn(&crate::timeline::Second) -> f64| Line {
        name,
        colour,
        values: timeline.seconds.iter().map(value).collect(),
    };
    #[expect(clippy::cast_precision_loss, reason = "a plot is not that exact")]
    let rates = [
        line("accepted", ACCEPTED, &|second| second.accepted as f64),
        line("completed", COMPLETED, &|second| second.completed as f64),
    ];
    let times = [
        line("99th percentile", P99, &|second| second.p99_ms),
        line("median", P50, &|second| second.p50_ms),
    ];
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        LEFT + WIDTH + RIGHT
    );
    panel(&mut svg, GAP, "jobs per second", Scale::Linear, &rates);
    let title = "milliseconds from acceptance to completion";
    panel(
        &mut svg,
        2.0 * GAP + PANEL,
        title,
        Scale::Logarithmic,
        &times,
    );
    phases(&mut svg, timeline);
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, top: f64, title: &str, scale: Scale, lines: &[Line]) {
    let values = lines.iter().flat_map(|line| line.values.iter().copied());
    let highest = scale.round_up(values.fold(1.0, f64::max));
    let bottom = top + PANEL;
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\">{title}</text>",
        top - 10.0
    );
    for mark in scale.marks(highest) {
        let y = bottom - PANEL * scale.part(mark, highest);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}h{WIDTH}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{mark}</text>",
            LEFT - 6.0,
            y + 4.0
        );
    }
    for (line, number) in lines.iter().zip(0_u32..) {
        let count = line.values.len().max(2) - 1;
        let mut path = String::new();
        let mut is_gap = true;
        for (second, value) in line.values.iter().enumerate() {
            let is_point = scale.shows(*value);
            if is_point {
                let y = bottom - PANEL * scale.part(*value, highest);
                let command = if is_gap { 'M' } else { 'L' };
                let _ = write!(path, "{command}{:.1} {y:.1}", x(second, count));
            }
            is_gap = !is_point;
        }
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\" stroke-linecap=\"round\"/>\n\
             <text x=\"{}\" y=\"{}\" fill=\"{}\" text-anchor=\"end\">{}</text>",
            line.colour,
            LEFT + WIDTH - 110.0 * f64::from(number),
            top - 10.0,
            line.colour,
            line.name
        );
    }
}

fn phases(svg: &mut String, timeline: &Timeline) {
    let count = timeline.seconds.len().max(2) - 1;
    for (number, (second, name)) in timeline.phases.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a plot is not that exact")]
        let x = LEFT + WIDTH * second / count as f64;
        // Two heights, so that the names of short phases do not overlap.
        let y = if number % 2 == 0 { 16 } else { 32 };
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {y}V{}\" stroke=\"#888\" stroke-dasharray=\"3\"/><text x=\"{:.1}\" y=\"{y}\" fill=\"#555\">{name}</text>",
            HEIGHT - GAP,
            x + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{0}\">0 s</text><text x=\"{1}\" y=\"{0}\" text-anchor=\"end\">{count} s</text>",
        HEIGHT - GAP + 20.0,
        LEFT + WIDTH
    );
}

#[expect(clippy::cast_precision_loss, reason = "a plot is not that exact")]
fn x(second: usize, count: usize) -> f64 {
    LEFT + WIDTH * second as f64 / count as f64
}

impl Scale {
    /// Whether there is a point for `value`: in a second without jobs, no time was measured.
    fn shows(self, value: f64) -> bool {
        match self {
            Self::Linear => true,
            Self::Logarithmic => value > 0.0,
        }
    }

    /// Returns the height of `value`, from 0 to 1.
    fn part(self, value: f64, highest: f64) -> f64 {
        match self {
            Self::Linear => value / highest,
            // Starts at 1.
            Self::Logarithmic => value.max(1.0).log10() / highest.log10(),
        }
    }

    fn round_up(self, highest: f64) -> f64 {
        let power = 10_f64.powf(highest.log10().floor());
        match self {
            Self::Linear => (highest / power).ceil() * power,
            Self::Logarithmic => 10_f64.powf(highest.log10().ceil().max(1.0)),
        }
    }

    fn marks(self, highest: f64) -> Vec<f64> {
        match self {
            Self::Linear => vec![0.0, highest / 2.0, highest],
            Self::Logarithmic => {
                let powers = std::iter::successors(Some(1.0), |mark| Some(mark * 10.0));
                powers.take_while(|mark| *mark <= highest * 1.01).collect()
            }
        }
    }
}

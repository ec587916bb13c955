//! A picture of a run: each delivery as a point, by its time and by when its message was sent.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use super::record::{Key, Record, Subscriber};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
/// The space for the axes.
const LEFT: f64 = 44.0;
const BOTTOM: f64 = 34.0;
const MARGIN: f64 = 12.0;
/// How many lines the time axis has, about.
const STEPS: f64 = 6.0;

/// Returns the picture as SVG without colours: the page's style sets them by class.
pub(super) fn chart(record: &Record) -> String {
    let Some(start) = record.sent.first().map(|sending| sending.started) else {
        return String::new();
    };
    let seconds = |at: u64| number(at.saturating_sub(start)) / 1e6;
    let last = record.arrivals.last().map_or(start, |arrival| arrival.at);
    let plane = Plane {
        seconds: seconds(last).max(0.1),
        messages: number(record.sent.len() as u64).max(1.0),
    };
    let rank: HashMap<Key, f64> = record
        .sent
        .iter()
        .zip(0_u64..)
        .map(|(sending, rank)| (sending.key, number(rank)))
        .collect();
    let mut svg = plane.frame();
    if let Some(killed_at) = record.killed_at {
        plane.death(&mut svg, seconds(killed_at));
    }
    let mut seen = HashSet::new();
    for arrival in &record.arrivals {
        let Some(rank) = rank.get(&arrival.key) else {
            continue;
        };
        let class = match arrival.subscriber {
            Subscriber::A => "a",
            Subscriber::B => "b",
            Subscriber::C => "c",
        };
        let again = if seen.insert((arrival.audience, arrival.key)) {
            ""
        } else {
            " again"
        };
        let (x, y) = (plane.x(seconds(arrival.at)), plane.y(*rank));
        let radius = if again.is_empty() { 1.8 } else { 3.2 };
        let _ = write!(
            svg,
            r#"<circle class="{class}{again}" cx="{x:.1}" cy="{y:.1}" r="{radius}"/>"#
        );
    }
    svg.push_str("</svg>");
    svg
}

/// The scales of the picture.
struct Plane {
    seconds: f64,
    messages: f64,
}

impl Plane {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - MARGIN) * seconds / self.seconds
    }

    fn y(&self, rank: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - BOTTOM - MARGIN) * rank / self.messages
    }

    /// Returns the beginning of the picture, with its axes.
    fn frame(&self) -> String {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - MARGIN);
        let mut svg = format!(
            r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Each delivery: when it arrived, and when its message was sent"><path class="axis" d="M{LEFT} {MARGIN}V{bottom}H{right}"/>"#
        );
        let step = step(self.seconds);
        let mut at = 0.0;
        while at <= self.seconds {
            let x = self.x(at);
            let y = bottom + 15.0;
            let _ = write!(
                svg,
                r#"<path class="grid" d="M{x:.1} {MARGIN}V{bottom}"/><text x="{x:.1}" y="{y}" text-anchor="middle">{at} s</text>"#
            );
            at += step;
        }
        let (top, x) = (MARGIN + 4.0, LEFT - 6.0);
        let _ = write!(
            svg,
            r#"<text x="{x}" y="{top}" text-anchor="end">{}</text><text x="{x}" y="{bottom}" text-anchor="end">0</text>"#,
            self.messages
        );
        let middle = f64::midpoint(MARGIN, bottom);
        let _ = write!(
            svg,
            r#"<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">order of sending</text><text x="{right}" y="{}" text-anchor="end">time of arrival</text>"#,
            HEIGHT - 4.0
        );
        svg
    }

    /// Draws when the subscriber was killed.
    fn death(&self, svg: &mut String, seconds: f64) {
        let (x, bottom) = (self.x(seconds), HEIGHT - BOTTOM);
        let text = x + 5.0;
        let y = MARGIN + 8.0;
        let _ = write!(
            svg,
            r#"<path class="death" d="M{x:.1} {MARGIN}V{bottom}"/><text class="death" x="{text:.1}" y="{y}">A is killed</text>"#
        );
    }
}

/// Returns 1, 2 or 5 times a power of ten, so that the axis has about [`STEPS`] of it.
fn step(seconds: f64) -> f64 {
    let rough = seconds / STEPS;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| factor * power >= rough);
    // rounded, so that 0.2 is written as such
    (factor.unwrap_or(10.0) * power * 1000.0).round() / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::record::{Arrival, Sending};

    #[test]
    fn each_delivery_is_a_point_and_a_second_one_of_a_message_a_larger_one() {
        let key = Key {
            publisher: 1,
            number: 0,
        };
        let arrival = |at, subscriber| Arrival {
            key,
            at,
            subscriber,
            audience: 0,
            is_completed: true,
        };
        let record = Record {
            sent: vec![Sending {
                key,
                started: 0,
                confirmed: 1,
            }],
            arrivals: vec![
                arrival(1_000_000, Subscriber::A),
                arrival(6_000_000, Subscriber::B),
            ],
            killed_at: Some(2_000_000),
            audiences: 1,
            ..Record::default()
        };
        let svg = chart(&record);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches(r#"class="a""#).count(), 1);
        assert_eq!(svg.matches(r#"class="b again""#).count(), 1);
        assert!(svg.contains("A is killed") && svg.ends_with("</svg>"));
        assert_eq!(chart(&Record::default()), "");
    }

    #[test]
    fn the_axis_has_round_numbers() {
        for (seconds, expected) in [(1.0, 0.2), (6.0, 1.0), (9.0, 2.0), (100.0, 20.0)] {
            assert!((step(seconds) - expected).abs() < 1e-9, "{seconds}");
        }
    }
}

//! Which properties a component has, and which it must have.

use super::content_line::ContentLine;
use super::finding::{Findings, Rule};
use super::kind::Kind;
use super::moment::Moment;

/// The properties that a component may have only once (RFC 5545 §3.6). NAME is not one: there may be one per language.
const SINGLE: [&str; 31] = [
    "ACTION",
    "CALSCALE",
    "CLASS",
    "COMPLETED",
    "CREATED",
    "DESCRIPTION",
    "DTEND",
    "DTSTAMP",
    "DTSTART",
    "DUE",
    "DURATION",
    "GEO",
    "LAST-MODIFIED",
    "LOCATION",
    "METHOD",
    "ORGANIZER",
    "PERCENT-COMPLETE",
    "PRIORITY",
    "PRODID",
    "RECURRENCE-ID",
    "REFRESH-INTERVAL",
    "REPEAT",
    "SEQUENCE",
    "STATUS",
    "SUMMARY",
    "TRANSP",
    "TRIGGER",
    "TZID",
    "UID",
    "URL",
    "VERSION",
];

/// A component whose END has not been read yet.
#[derive(Debug)]
pub(super) struct OpenComponent {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) uid: Option<String>,
    pub(super) recurrence_id: String,
    /// Which properties of [`SINGLE`] it has, one bit each.
    seen: u64,
    start: Option<Moment>,
    /// The DTEND or DUE.
    end: Option<(usize, Moment)>,
    /// Whether it is an alarm with the ACTION DISPLAY.
    displays: bool,
    /// The line of the first alarm in it that is relative to the start.
    alarm_from_start: Option<usize>,
    /// The line of the first alarm in it that is relative to the end.
    alarm_from_end: Option<usize>,
}

impl OpenComponent {
    pub(super) fn new(kind: Kind, name: &str, line: usize) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            line,
            uid: None,
            recurrence_id: String::new(),
            seen: 0,
            start: None,
            end: None,
            displays: false,
            alarm_from_start: None,
            alarm_from_end: None,
        }
    }

    /// Whether it has this property, which must be one of [`SINGLE`].
    pub(super) fn has(&self, name: &str) -> bool {
        self.seen & bit(name) != 0
    }

    pub(super) fn report_missing_end(&self, findings: &mut Findings) {
        findings.add(
            self.line,
            Rule::Nesting,
            format!("BEGIN:{} has no matching END", self.name),
        );
    }

    pub(super) fn property(
        &mut self,
        number: usize,
        line: &ContentLine<'_>,
        findings: &mut Findings,
    ) {
        self.count(number, line, findings);
        if line.is("UID") {
            self.uid = Some(line.value.to_owned());
        } else if line.is("RECURRENCE-ID") {
            line.value.clone_into(&mut self.recurrence_id);
        } else if line.is("DTSTART") {
            self.start = Moment::parse(line);
        } else if line.is_one_of(&["DTEND", "DUE"]) {
            self.end = Moment::parse(line).map(|end| (number, end));
        } else if line.is("ACTION") {
            self.displays = line.value.eq_ignore_ascii_case("DISPLAY");
        } else if line.is("STATUS")
            && let Some(statuses) = self.kind.statuses()
            && !statuses.contains(&line.value)
        {
            let detail = format!("{} can't have the status {}", self.name, line.value);
            findings.add(number, Rule::Status, detail);
        }
    }

    fn count(&mut self, number: usize, line: &ContentLine<'_>, findings: &mut Findings) {
        // A calendar may have a description per language (RFC 7986 §5.2), a journal any number of them.
        let may_repeat =
            line.is("DESCRIPTION") && matches!(self.kind, Kind::Calendar | Kind::Journal);
        if self.kind != Kind::Other && !may_repeat && self.has(line.name) {
            let detail = format!("{} has more than one {}", self.name, line.name);
            findings.add(number, Rule::RepeatedProperty, detail);
        }
        self.seen |= bit(line.name);
        if self.kind == Kind::Alarm && line.is_one_of(&["DTSTAMP", "UID"]) {
            let detail = format!("an alarm must not have a {}", line.name);
            findings.add(number, Rule::AlarmProperty, detail);
        }
    }

    /// Records what an alarm in this component is relative to.
    pub(super) fn alarm(&mut self, number: usize, trigger: &ContentLine<'_>) {
        let is = |name, value: &str| {
            let parameter = trigger.parameter(name);
            parameter.is_some_and(|parameter| parameter.eq_ignore_ascii_case(value))
        };
        if is("VALUE", "DATE-TIME") {
            return;
        }
        if is("RELATED", "END") {
            self.alarm_from_end.get_or_insert(number);
        } else {
            self.alarm_from_start.get_or_insert(number);
        }
    }

    /// Checks the component at its END. `has_method`: whether the calendar is a message between calendar programs.
    pub(super) fn check_complete(&self, has_method: bool, findings: &mut Findings) {
        let mut missing: Vec<&str> = self.kind.required().to_vec();
        // In a message (RFC 5546) an event may omit its start.
        if self.kind == Kind::Event && !has_method {
            missing.push("DTSTART");
        }
        if self.displays {
            missing.push("DESCRIPTION");
        }
        missing.retain(|name| !self.has(name));
        for name in missing {
            findings.add(
                self.line,
                Rule::MissingProperty,
                format!("{} has no {name}", self.name),
            );
        }
        if let (Some(start), Some((number, end))) = (&self.start, &self.end)
            && start.form == end.form
            && end.at <= start.at
        {
            let detail = format!("{} does not end after it starts", self.name);
            findings.add(*number, Rule::Span, detail);
        }
        self.check_alarms(findings);
    }

    fn check_alarms(&self, findings: &mut Findings) {
        let has_start = self.has("DTSTART");
        let has_end = self.has("DTEND") || self.has("DUE") || (has_start && self.has("DURATION"));
        for (alarm, has_anchor, anchor) in [
            (self.alarm_from_start, has_start, "start"),
            (self.alarm_from_end, has_end, "end"),
        ] {
            if let Some(number) = alarm.filter(|_| !has_anchor) {
                let detail = format!(
                    "the alarm is relative to the {anchor} of {}, which has none",
                    self.name
                );
                findings.add(number, Rule::AlarmTrigger, detail);
            }
        }
    }
}

fn bit(name: &str) -> u64 {
    let index = SINGLE
        .iter()
        .position(|single| single.eq_ignore_ascii_case(name));
    index.map_or(0, |index| 1 << index)
}

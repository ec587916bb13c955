//! How components nest, and what must be unique within a calendar.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::component::OpenComponent;
use super::content_line::ContentLine;
use super::finding::{Findings, Rule};
use super::kind::Kind;
use super::value;

/// How many open components are searched for the one that an END belongs to. Valid files have three levels; the bound
/// prevents a hostile file from taking quadratic time.
const MAX_DEPTH: usize = 16;

/// The state of a file that is being read.
#[derive(Debug, Default)]
pub(super) struct Structure {
    /// The components that have begun and not ended, outermost first.
    open: Vec<OpenComponent>,
    /// The line of each component of the calendar, by its UID and RECURRENCE-ID.
    uids: HashMap<(String, String), usize>,
    zones_used: Vec<(usize, String)>,
    zones_defined: HashSet<String>,
}

impl Structure {
    pub(super) fn line(&mut self, number: usize, line: &str, findings: &mut Findings) {
        let Some(line) = ContentLine::parse(line) else {
            let detail = "the line does not have the form NAME;PARAMETERS:VALUE";
            return findings.add(number, Rule::ContentLine, detail);
        };
        if line.is("BEGIN") {
            self.begin(number, line.value, findings);
        } else if line.is("END") {
            self.end_component(number, line.value, findings);
        } else {
            self.property(number, &line, findings);
        }
    }

    /// Ends the file. `number` is its last line.
    pub(super) fn end(mut self, number: usize, findings: &mut Findings) {
        if number == 0 {
            findings.add(1, Rule::Nesting, "the file is empty");
        }
        while let Some(open) = self.open.pop() {
            open.report_missing_end(findings);
        }
    }

    fn begin(&mut self, number: usize, name: &str, findings: &mut Findings) {
        let kind = Kind::of(name);
        let parent = self.open.last();
        if !kind.may_be_in(parent.map(|parent| parent.kind)) {
            let detail = match parent {
                Some(parent) => format!("{name} is not allowed in {}", parent.name),
                None => format!("{name} is not allowed at the top level"),
            };
            findings.add(number, Rule::Nesting, detail);
        }
        self.open.push(OpenComponent::new(kind, name, number));
    }

    fn property(&mut self, number: usize, line: &ContentLine<'_>, findings: &mut Findings) {
        value::check(number, line, findings);
        if let Some(zone) = line.parameter("TZID") {
            self.zones_used.push((number, zone.to_owned()));
        }
        let Some((open, parents)) = self.open.split_last_mut() else {
            let detail = format!("{} is outside of any component", line.name);
            return findings.add(number, Rule::Nesting, detail);
        };
        open.property(number, line, findings);
        if open.kind == Kind::Timezone && line.is("TZID") {
            self.zones_defined.insert(line.value.to_owned());
        } else if open.kind == Kind::Alarm
            && line.is("TRIGGER")
            && let Some(parent) = parents.last_mut()
        {
            parent.alarm(number, line);
        }
    }

    fn end_component(&mut self, number: usize, name: &str, findings: &mut Findings) {
        let mut innermost = self.open.iter().rev().take(MAX_DEPTH);
        if !innermost.any(|open| open.name.eq_ignore_ascii_case(name)) {
            let detail = format!("END:{name} has no matching BEGIN");
            return findings.add(number, Rule::Nesting, detail);
        }
        while let Some(open) = self.open.pop() {
            if open.name.eq_ignore_ascii_case(name) {
                return self.close(open, findings);
            }
            open.report_missing_end(findings);
        }
    }

    fn close(&mut self, open: OpenComponent, findings: &mut Findings) {
        let calendar = self.open.first();
        let has_method = calendar.is_some_and(|calendar| calendar.has("METHOD"));
        open.check_complete(has_method, findings);
        if open.kind == Kind::Calendar {
            return self.end_calendar(findings);
        }
        if matches!(open.kind, Kind::Event | Kind::Todo | Kind::Journal)
            && let Some(uid) = open.uid
        {
            match self.uids.entry((uid, open.recurrence_id)) {
                Entry::Vacant(unused) => {
                    unused.insert(open.line);
                }
                Entry::Occupied(used) => {
                    let ((uid, _), first) = (used.key(), used.get());
                    let detail = format!("the component in line {first} already has the UID {uid}");
                    findings.add(open.line, Rule::RepeatedUid, detail);
                }
            }
        }
    }

    fn end_calendar(&mut self, findings: &mut Findings) {
        for (number, zone) in self.zones_used.drain(..) {
            if !self.zones_defined.contains(&zone) {
                let detail = format!("the time zone {zone} has no VTIMEZONE");
                findings.add(number, Rule::MissingTimezone, detail);
            }
        }
        self.zones_defined.clear();
        self.uids.clear();
    }
}

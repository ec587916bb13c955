//! How components nest, and what must be unique in a calendar.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::component::Open;
use super::kind::Kind;
use super::value::{self, ContentLine};
use super::{Findings, Rule};

/// Components that an END is looked for in. Three levels are what there is; the bound keeps a hostile file from taking
/// quadratic time.
const MAX_DEPTH: usize = 16;

/// What has been read of a file.
#[derive(Debug, Default)]
pub(super) struct Structure {
    open: Vec<Open>,
    /// The calendar's UIDs with their RECURRENCE-ID.
    uids: HashMap<(String, String), usize>,
    zones_used: Vec<(usize, String)>,
    zones_defined: HashSet<String>,
}

impl Structure {
    pub(super) fn line(&mut self, number: usize, line: &str, findings: &mut Findings) {
        let Some(line) = ContentLine::parse(line) else {
            let detail = "the line is not a name, parameters and a value";
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

    /// The end of the file, at its last line.
    pub(super) fn end(mut self, number: usize, findings: &mut Findings) {
        if number == 0 {
            findings.add(1, Rule::Nesting, "the file is empty");
        }
        while let Some(open) = self.open.pop() {
            open.has_no_end(findings);
        }
    }

    fn begin(&mut self, number: usize, name: &str, findings: &mut Findings) {
        let kind = Kind::of(name);
        let parent = self.open.last();
        if !kind.may_be_in(parent.map(|parent| parent.kind)) {
            let place = parent.map_or("the file itself", |parent| parent.name.as_str());
            let detail = format!("{name} cannot be in {place}");
            findings.add(number, Rule::Nesting, detail);
        }
        self.open.push(Open::new(kind, name, number));
    }

    fn property(&mut self, number: usize, line: &ContentLine<'_>, findings: &mut Findings) {
        value::check(number, line, findings);
        if let Some(zone) = line.parameter("TZID") {
            self.zones_used.push((number, zone.to_owned()));
        }
        let Some((open, parents)) = self.open.split_last_mut() else {
            let detail = format!("{} is in no component", line.name);
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
            return findings.add(number, Rule::Nesting, format!("END:{name} closes nothing"));
        }
        while let Some(open) = self.open.pop() {
            if open.name.eq_ignore_ascii_case(name) {
                return self.close(open, findings);
            }
            open.has_no_end(findings);
        }
    }

    fn close(&mut self, open: Open, findings: &mut Findings) {
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
                    let detail = format!("{uid} is the UID of the component in line {first} too");
                    findings.add(open.line, Rule::RepeatedUid, detail);
                }
            }
        }
    }

    fn end_calendar(&mut self, findings: &mut Findings) {
        for (number, zone) in self.zones_used.drain(..) {
            if !self.zones_defined.contains(&zone) {
                let detail = format!("{zone} has no VTIMEZONE");
                findings.add(number, Rule::MissingTimezone, detail);
            }
        }
        self.zones_defined.clear();
        self.uids.clear();
    }
}

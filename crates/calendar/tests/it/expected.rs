//! The expected contents of a calendar, implemented from `docs/calendar.md` and independently of the writer.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use serde::Deserialize;
use shared_model::calendar_options::{CalendarOptions, Component};
use shared_model::todo::Todo;

use crate::rendering::HOST;

/// A component as a reader returns it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Read {
    pub(crate) kind: String,
    /// Unfolded and unescaped values by name. The name includes the parameters.
    pub(crate) properties: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) components: Vec<Read>,
}

impl Read {
    fn new(kind: &str, properties: &[(&str, &str)]) -> Self {
        Self {
            kind: kind.to_owned(),
            properties: properties
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            components: Vec::new(),
        }
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.properties.insert(name.to_owned(), value.into());
    }

    /// Keeps only the properties that `keep` accepts, at every level.
    pub(crate) fn only(mut self, keep: &dyn Fn(&str) -> bool) -> Self {
        self.properties.retain(|name, _| keep(name));
        self.components = self
            .components
            .into_iter()
            .map(|component| component.only(keep))
            .collect();
        self
    }

    /// Renames a property at every level.
    pub(crate) fn rename(mut self, from: &str, to: &str) -> Self {
        if let Some(value) = self.properties.remove(from) {
            self.properties.insert(to.to_owned(), value);
        }
        self.components = self
            .components
            .into_iter()
            .map(|component| component.rename(from, to))
            .collect();
        self
    }
}

pub(crate) fn calendar(todos: &[Todo], options: &CalendarOptions) -> Read {
    let name = options
        .name
        .as_ref()
        .map_or("TaskOverflow", |name| name.as_str());
    let mut calendar = Read::new(
        "VCALENDAR",
        &[
            ("VERSION", "2.0"),
            (
                "PRODID",
                &format!(
                    "-//TaskOverflow//taskoverflow {}//EN",
                    env!("CARGO_PKG_VERSION")
                ),
            ),
            ("CALSCALE", "GREGORIAN"),
            ("NAME", name),
            ("X-WR-CALNAME", name),
            ("REFRESH-INTERVAL;VALUE=DURATION", "PT1H"),
            ("X-PUBLISHED-TTL", "PT1H"),
        ],
    );
    for todo in todos {
        if options.component != Component::Todo && todo.deadline_at.is_some() {
            calendar.components.push(event(todo, options));
        }
        if options.component != Component::Event {
            calendar.components.push(task(todo, options));
        }
    }
    calendar
}

fn event(todo: &Todo, options: &CalendarOptions) -> Read {
    let mut event = common("VEVENT", &format!("{}@{HOST}", todo.id), todo);
    event.set("DTSTART", stamp(todo.deadline_at.unwrap()));
    if todo.completed {
        event.set("STATUS", "CONFIRMED");
        event.set("TRANSP", "TRANSPARENT");
        event.set("CATEGORIES", "Completed");
    } else if let Some(trigger) = &options.alarm {
        event
            .components
            .push(alarm("TRIGGER", trigger.as_str(), todo));
    }
    event
}

fn task(todo: &Todo, options: &CalendarOptions) -> Read {
    let mut task = common("VTODO", &format!("{}-todo@{HOST}", todo.id), todo);
    if let Some(deadline) = todo.deadline_at {
        task.set("DUE", stamp(deadline));
    }
    if todo.completed {
        task.set("STATUS", "COMPLETED");
        task.set("COMPLETED", stamp(todo.updated_at));
        task.set("PERCENT-COMPLETE", "100");
    } else {
        task.set("STATUS", "NEEDS-ACTION");
        if let Some(trigger) = options
            .alarm
            .as_ref()
            .filter(|_| todo.deadline_at.is_some())
        {
            task.components
                .push(alarm("TRIGGER;RELATED=END", trigger.as_str(), todo));
        }
    }
    task
}

fn common(kind: &str, uid: &str, todo: &Todo) -> Read {
    let mut component = Read::new(kind, &[("UID", uid)]);
    component.set("DTSTAMP", stamp(todo.updated_at));
    component.set("LAST-MODIFIED", stamp(todo.updated_at));
    component.set("CREATED", stamp(todo.created_at));
    component.set("SEQUENCE", todo.revision.to_string());
    component.set("SUMMARY", clean(&todo.title));
    if let Some(description) = todo.description.as_deref().filter(|text| !text.is_empty()) {
        component.set("DESCRIPTION", clean(description));
    }
    component
}

fn alarm(trigger_name: &str, trigger: &str, todo: &Todo) -> Read {
    let description = clean(&todo.title);
    Read::new(
        "VALARM",
        &[
            ("ACTION", "DISPLAY"),
            (trigger_name, trigger),
            ("DESCRIPTION", &description),
        ],
    )
}

fn stamp(at: NaiveDateTime) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

/// The text that a reader returns for `text`.
pub(crate) fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars()
        .filter(|c| matches!(c, '\n' | '\t') || !c.is_ascii_control())
        .collect()
}

//! Which property each part of a todo becomes.

use icalendar::Related;
use shared_model::calendar_options::CalendarOptions;
use shared_model::todo::Todo;

use crate::model;
use crate::wire::{Lines, Stamp};

/// Writes VEVENTs and VTODOs. Holds the lines that are the same for every todo.
#[derive(Debug)]
pub(super) struct ComponentWriter {
    event_uid_suffix: String,
    todo_uid_suffix: String,
    done_event: Lines,
    open_todo: Lines,
    done_todo: Lines,
    event_alarm: Option<Lines>,
    todo_alarm: Option<Lines>,
}

impl ComponentWriter {
    pub(super) fn new(options: &CalendarOptions, host: &str) -> Self {
        let alarm = |related| {
            let trigger = options.alarm.as_ref()?;
            Some(lines_of(&model::alarm(trigger, related)))
        };
        Self {
            event_uid_suffix: format!("@{host}"),
            todo_uid_suffix: format!("-todo@{host}"),
            done_event: lines_of(&model::done_event()),
            open_todo: lines_of(&model::open_todo()),
            done_todo: lines_of(&model::done_todo()),
            event_alarm: alarm(None),
            // RFC 5545 §3.8.6.3: the alarm of a component with a DUE but no DTSTART has to be relative to its end.
            todo_alarm: alarm(Some(Related::End)),
        }
    }

    pub(super) fn write_event(
        &self,
        lines: &mut Lines,
        todo: &Todo,
        stamps: &Stamps,
        deadline: Stamp,
    ) {
        lines.begin("VEVENT");
        lines.uid(todo.id, &self.event_uid_suffix);
        write_common(lines, todo, stamps);
        lines.stamp("DTSTART", deadline);
        if todo.completed {
            lines.append(&self.done_event);
        } else if let Some(alarm) = &self.event_alarm {
            write_alarm(lines, alarm, &todo.title);
        }
        lines.end("VEVENT");
    }

    pub(super) fn write_todo(&self, lines: &mut Lines, todo: &Todo, stamps: &Stamps) {
        lines.begin("VTODO");
        lines.uid(todo.id, &self.todo_uid_suffix);
        write_common(lines, todo, stamps);
        if let Some(deadline) = stamps.deadline {
            lines.stamp("DUE", deadline);
        }
        if todo.completed {
            lines.append(&self.done_todo);
            lines.stamp("COMPLETED", stamps.updated);
        } else {
            lines.append(&self.open_todo);
            if stamps.deadline.is_some()
                && let Some(alarm) = &self.todo_alarm
            {
                write_alarm(lines, alarm, &todo.title);
            }
        }
        lines.end("VTODO");
    }
}

fn lines_of(component: &impl icalendar::Component) -> Lines {
    let mut lines = Lines::default();
    lines.properties(component);
    lines
}

/// The times of a todo in the form that a calendar contains.
pub(super) struct Stamps {
    created: Stamp,
    updated: Stamp,
    pub(super) deadline: Option<Stamp>,
}

impl Stamps {
    /// Returns `None` if a calendar can't express when the todo was created or updated. A deadline that it can't
    /// express counts as no deadline.
    pub(super) fn of(todo: &Todo) -> Option<Self> {
        Some(Self {
            created: Stamp::new(todo.created_at)?,
            updated: Stamp::new(todo.updated_at)?,
            deadline: todo.deadline_at.and_then(Stamp::new),
        })
    }
}

/// Writes the properties that an event and a to-do have in common.
fn write_common(lines: &mut Lines, todo: &Todo, stamps: &Stamps) {
    lines.stamp("DTSTAMP", stamps.updated);
    lines.stamp("LAST-MODIFIED", stamps.updated);
    lines.stamp("CREATED", stamps.created);
    lines.integer("SEQUENCE", todo.revision);
    lines.text("SUMMARY", &todo.title);
    if let Some(description) = todo.description.as_deref().filter(|text| !text.is_empty()) {
        lines.text("DESCRIPTION", description);
    }
}

/// Writes an alarm with the properties in `alarm` and with the title as its DESCRIPTION.
fn write_alarm(lines: &mut Lines, alarm: &Lines, title: &str) {
    lines.begin("VALARM");
    lines.append(alarm);
    lines.text("DESCRIPTION", title);
    lines.end("VALARM");
}

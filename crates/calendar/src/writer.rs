//! Writes todos, one by one, as the components of one calendar.

use std::io;

use icalendar::Related;
use shared_model::calendar_options::{CalendarOptions, Component};
use shared_model::todo::Todo;

use crate::model;
use crate::wire::{Lines, Stamp};

/// How much is gathered before it is handed on.
const FLUSH_BYTES: usize = 16 * 1024;

/// What became of the todos.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Components written: events and to-dos.
    pub events: u64,
    /// Todos left out.
    pub skipped: u64,
}

/// Writes a calendar, todo by todo, holding no more than a few of them.
///
/// A UID belongs to one component for good, whatever other components a calendar holds, so that importing again
/// replaces instead of adding: `<id>@<host>` is the event of a todo and `<id>-todo@<host>` its to-do.
#[derive(Debug)]
pub struct CalendarWriter<W> {
    out: W,
    lines: Lines,
    prepared: Prepared,
    component: Component,
    counts: Counts,
}

/// What is written again and again, as lines.
#[derive(Debug)]
struct Prepared {
    event_uid_suffix: String,
    todo_uid_suffix: String,
    done_event: Lines,
    open_todo: Lines,
    done_todo: Lines,
    event_alarm: Option<Lines>,
    todo_alarm: Option<Lines>,
}

impl Prepared {
    fn new(options: &CalendarOptions, host: &str) -> Self {
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
            // RFC 5545 §3.8.6.3: what has a DUE and no DTSTART is reminded of in relation to its end.
            todo_alarm: alarm(Some(Related::End)),
        }
    }
}

fn lines_of(component: &impl icalendar::Component) -> Lines {
    let mut lines = Lines::default();
    lines.properties(component);
    lines
}

impl<W: io::Write> CalendarWriter<W> {
    /// Begins a calendar. `host` is the right half of every UID.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn begin(out: W, options: &CalendarOptions, host: &str) -> io::Result<Self> {
        let mut lines = Lines::default();
        lines.begin("VCALENDAR");
        model::container(options)
            .properties
            .iter()
            .for_each(|property| lines.property(property));
        Ok(Self {
            out,
            lines,
            prepared: Prepared::new(options, host),
            component: options.component,
            counts: Counts::default(),
        })
    }

    /// Writes a todo's components: none, one or two. A todo that cannot be told in a calendar is counted as skipped.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn push(&mut self, todo: &Todo) -> io::Result<()> {
        let written_before = self.counts.events;
        if let Some(stamps) = Stamps::of(todo) {
            if matches!(self.component, Component::Event | Component::Both)
                && let Some(deadline) = stamps.deadline
            {
                self.write_event(todo, &stamps, deadline);
            }
            if matches!(self.component, Component::Todo | Component::Both) {
                self.write_todo(todo, &stamps);
            }
        }
        if self.counts.events == written_before {
            self.counts.skipped += 1;
        }
        if self.lines.as_bytes().len() >= FLUSH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the calendar and gives back what it was written to.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self) -> io::Result<(W, Counts)> {
        self.lines.end("VCALENDAR");
        self.flush()?;
        Ok((self.out, self.counts))
    }

    fn write_event(&mut self, todo: &Todo, stamps: &Stamps, deadline: Stamp) {
        let Self {
            lines, prepared, ..
        } = self;
        lines.begin("VEVENT");
        lines.uid(todo.id, &prepared.event_uid_suffix);
        write_common(lines, todo, stamps);
        lines.stamp("DTSTART", deadline);
        if todo.completed {
            lines.append(&prepared.done_event);
        } else if let Some(fixed) = &prepared.event_alarm {
            write_alarm(lines, fixed, &todo.title);
        }
        lines.end("VEVENT");
        self.counts.events += 1;
    }

    fn write_todo(&mut self, todo: &Todo, stamps: &Stamps) {
        let Self {
            lines, prepared, ..
        } = self;
        lines.begin("VTODO");
        lines.uid(todo.id, &prepared.todo_uid_suffix);
        write_common(lines, todo, stamps);
        if let Some(deadline) = stamps.deadline {
            lines.stamp("DUE", deadline);
        }
        if todo.completed {
            lines.append(&prepared.done_todo);
            lines.stamp("COMPLETED", stamps.updated);
        } else {
            lines.append(&prepared.open_todo);
            if stamps.deadline.is_some()
                && let Some(fixed) = &prepared.todo_alarm
            {
                write_alarm(lines, fixed, &todo.title);
            }
        }
        lines.end("VTODO");
        self.counts.events += 1;
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(self.lines.as_bytes())?;
        self.lines.clear();
        Ok(())
    }
}

/// A todo's times on the wire.
struct Stamps {
    created: Stamp,
    updated: Stamp,
    deadline: Option<Stamp>,
}

impl Stamps {
    /// A deadline that has no form on the wire is none.
    fn of(todo: &Todo) -> Option<Self> {
        Some(Self {
            created: Stamp::new(todo.created_at)?,
            updated: Stamp::new(todo.updated_at)?,
            deadline: todo.deadline_at.and_then(Stamp::new),
        })
    }
}

/// What an event and a to-do have in common.
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

fn write_alarm(lines: &mut Lines, fixed: &Lines, title: &str) {
    lines.begin("VALARM");
    lines.append(fixed);
    lines.text("DESCRIPTION", title);
    lines.end("VALARM");
}

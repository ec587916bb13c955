//! Writes todos, one at a time, as the components of one calendar.

use std::io;

use shared_model::calendar_options::{CalendarOptions, Component};
use shared_model::todo::Todo;

use self::components::{ComponentWriter, Stamps};
use crate::model;
use crate::wire::Lines;

mod components;

/// How many bytes are collected before they are passed on.
const FLUSH_BYTES: usize = 16 * 1024;

/// How many components a calendar has, and how many todos it leaves out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Components written: VEVENTs and VTODOs.
    pub events: u64,
    /// Todos without any component.
    pub skipped: u64,
}

/// Writes a calendar todo by todo, and holds only a few of them in memory.
///
/// A UID always means the same component, whatever else the calendar contains, so that a repeated import replaces
/// components instead of adding them: a todo's event is `<id>@<host>`, its to-do `<id>-todo@<host>`.
#[derive(Debug)]
pub struct CalendarWriter<W> {
    out: W,
    lines: Lines,
    components: ComponentWriter,
    component: Component,
    counts: Counts,
}

impl<W: io::Write> CalendarWriter<W> {
    /// Begins a calendar. `host` is the part of every UID after the `@`.
    ///
    /// # Errors
    /// Returns the errors of `out`.
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
            components: ComponentWriter::new(options, host),
            component: options.component,
            counts: Counts::default(),
        })
    }

    /// Writes the components of a todo: an event, a to-do, both or neither. With neither, the todo counts as skipped.
    ///
    /// # Errors
    /// Returns the errors of `out`.
    pub fn push(&mut self, todo: &Todo) -> io::Result<()> {
        let before = self.counts.events;
        if let Some(stamps) = Stamps::of(todo) {
            if matches!(self.component, Component::Event | Component::Both)
                && let Some(deadline) = stamps.deadline
            {
                self.components
                    .write_event(&mut self.lines, todo, &stamps, deadline);
                self.counts.events += 1;
            }
            if matches!(self.component, Component::Todo | Component::Both) {
                self.components.write_todo(&mut self.lines, todo, &stamps);
                self.counts.events += 1;
            }
        }
        if self.counts.events == before {
            self.counts.skipped += 1;
        }
        if self.lines.as_bytes().len() >= FLUSH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the calendar. Returns the output that was passed to [`begin`](Self::begin), and the counts.
    ///
    /// # Errors
    /// Returns the errors of `out`.
    pub fn finish(mut self) -> io::Result<(W, Counts)> {
        self.lines.end("VCALENDAR");
        self.flush()?;
        Ok((self.out, self.counts))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(self.lines.as_bytes())?;
        self.lines.clear();
        Ok(())
    }
}

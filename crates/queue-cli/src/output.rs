//! Results on stdout, notes and progress on stderr.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::error::Error;

const TICK: Duration = Duration::from_millis(200);

/// The output of a run.
pub(crate) struct Output {
    stdout: Box<dyn Write>,
    json: bool,
    /// Hidden if stderr is not a terminal.
    progress: ProgressBar,
    shown_at: Option<Instant>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

impl Output {
    /// With `json`, only JSON lines are written to stdout.
    pub(crate) fn new(json: bool) -> Self {
        let stdout = io::stdout().lock();
        Self {
            // colours only on a terminal, and only without NO_COLOR
            stdout: if json {
                Box::new(stdout)
            } else {
                Box::new(AutoStream::auto(stdout))
            },
            json,
            progress: ProgressBar::hidden(),
            shown_at: None,
        }
    }

    /// Prints a result, as text or as a line of JSON.
    pub(crate) fn result(
        &mut self,
        text: impl FnOnce() -> String,
        value: &impl Serialize,
    ) -> Result<(), Error> {
        let line = if self.json {
            serde_json::to_string(value).map_err(io::Error::from)?
        } else {
            text()
        };
        let Self {
            stdout, progress, ..
        } = self;
        let written = progress.suspend(|| {
            writeln!(stdout, "{line}")?;
            stdout.flush()
        });
        Ok(written?)
    }

    /// Prints a result only as JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Error> {
        if self.json {
            return self.result(String::new, value);
        }
        Ok(())
    }

    /// Prints a result only as text.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Error> {
        if self.json {
            return Ok(());
        }
        self.result(|| text.to_owned(), &())
    }

    /// Prints information for a person to stderr.
    pub(crate) fn note(&self, text: impl Display) {
        self.progress.suspend(|| anstream::eprintln!("{text}"));
    }

    /// Starts a progress bar for `total` messages.
    pub(crate) fn start_bar(&mut self, total: Option<u64>) {
        let template = match total {
            Some(_) => "{bar:40} {pos}/{len} sent, {per_sec}, {eta} left",
            None => "{spinner} {pos} sent, {per_sec}",
        };
        self.progress = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        self.start(template);
    }

    /// Starts a spinner with the text of [`Output::show`].
    pub(crate) fn start_spinner(&mut self) {
        self.progress = ProgressBar::new_spinner();
        self.start("{spinner} {wide_msg}");
    }

    fn start(&mut self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.progress.set_style(style);
        }
        if !self.progress.is_hidden() {
            self.progress.enable_steady_tick(TICK);
        }
    }

    pub(crate) fn advance(&self, by: u64) {
        self.progress.inc(by);
    }

    /// Shows a text beside the spinner. The text is built only if it is visible, and not more often than a person can read.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        let is_due = self.shown_at.is_none_or(|at| at.elapsed() >= TICK);
        if is_due && !self.progress.is_hidden() {
            self.shown_at = Some(Instant::now());
            self.progress.set_message(text());
        }
    }

    /// Removes the progress bar or spinner, before the last results.
    pub(crate) fn end_progress(&mut self) {
        self.progress.finish_and_clear();
        self.progress = ProgressBar::hidden();
    }
}

/// Colours a publisher's name. A name has the same colour in every terminal, and `Client 1` and `Client 2` differ.
pub(crate) fn coloured(client: &str) -> String {
    const COLOURS: [AnsiColor; 6] = [
        AnsiColor::Green,
        AnsiColor::Yellow,
        AnsiColor::Blue,
        AnsiColor::Magenta,
        AnsiColor::Cyan,
        AnsiColor::Red,
    ];
    let sum = client.bytes().map(usize::from).sum::<usize>();
    let colour = COLOURS.get(sum % COLOURS.len()).copied();
    let style = Style::new().fg_color(colour.map(Into::into)).bold();
    format!("{style}{}{style:#}", printable(client))
}

pub(crate) fn dimmed(text: &str) -> String {
    let style = Style::new().dimmed();
    format!("{style}{text}{style:#}")
}

/// Escapes control characters, which would control the terminal.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escape = |character: char| {
        if character.is_control() {
            character.escape_default().to_string()
        } else {
            character.to_string()
        }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_cannot_control_the_terminal() {
        assert_eq!(printable("Message 1"), "Message 1");
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert!(!coloured("\u{7}").contains('\u{7}'));
    }

    #[test]
    fn consecutive_clients_have_different_colours() {
        assert_ne!(coloured("Client 1")[..8], coloured("Client 2")[..8]);
    }
}

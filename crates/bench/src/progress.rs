//! The progress bar on stderr, which is hidden if stderr is not a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// Shows a bar that is full at `length`.
pub fn bar(message: impl Into<String>, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:36} {bar:40} {pos}/{len} {per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length)
        .with_message(message.into())
        .with_style(style)
}

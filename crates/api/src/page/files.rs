//! The source files of the page, embedded in the binary.

/// The page itself. Its placeholders are filled in by [`PageVersion`](super::version::PageVersion).
pub(super) const INDEX: &str = include_str!("../../assets/index.html");
/// The script that lets the page open offline.
pub(super) const SERVICE_WORKER: &str = include_str!("../../assets/service-worker.js");

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../assets/", $name)))),*]
    };
}

/// The other files of the page with their names, except for the style sheets.
pub(super) const FILES: &[(&str, &[u8])] = embedded![
    "icon.svg",
    "js/api.js",
    "js/composer.js",
    "js/connection.js",
    "js/dates.js",
    "js/day-panel.js",
    "js/deadline.js",
    "js/deletion.js",
    "js/elements.js",
    "js/export-view.js",
    "js/feeds.js",
    "js/job-card.js",
    "js/job-list.js",
    "js/job-status.js",
    "js/job-watch.js",
    "js/main.js",
    "js/month-view.js",
    "js/notices.js",
    "js/problem.js",
    "js/route.js",
    "js/session.js",
    "js/shortcuts.js",
    "js/storage.js",
    "js/texts.js",
    "js/todo-editor.js",
    "js/todo-rows.js",
    "js/todos-view.js",
    "js/todos.js",
    "js/unsaved.js",
    "page.webmanifest",
];

/// The parts of the page's style sheet, in order: a later rule overrides an earlier one.
pub(super) const STYLES: &[(&str, &[u8])] = embedded![
    "css/foundation.css",
    "css/frame.css",
    "css/todos.css",
    "css/month.css",
    "css/export.css",
];

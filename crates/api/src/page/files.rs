//! The source files of the pages, embedded in the binary.

/// The page itself. Its placeholders are filled in by [`PageVersion`](super::version::PageVersion).
pub(super) const INDEX: &str = include_str!("../../assets/index.html");
/// The page for operators, with the same placeholders.
pub(super) const OPERATIONS: &str = include_str!("../../assets/operations.html");
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

/// The files that only the page for operators uses, except for the style sheets.
pub(super) const OPERATIONS_FILES: &[(&str, &[u8])] = embedded![
    "js/operations/activity.js",
    "js/operations/confirm.js",
    "js/operations/deliveries.js",
    "js/operations/dots.js",
    "js/operations/events.js",
    "js/operations/failed-jobs.js",
    "js/operations/history.js",
    "js/operations/live.js",
    "js/operations/main.js",
    "js/operations/numbers.js",
    "js/operations/pages.js",
    "js/operations/pipeline.js",
    "js/operations/plot.js",
    "js/operations/plots.js",
    "js/operations/processes.js",
    "js/operations/processing.js",
    "js/operations/session.js",
    "js/operations/steps.js",
    "js/operations/tiles.js",
];

/// The parts of that page's style sheet, in order.
pub(super) const OPERATIONS_STYLES: &[(&str, &[u8])] =
    embedded!["css/foundation.css", "css/frame.css", "css/operations.css",];

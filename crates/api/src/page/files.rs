//! What is embedded.

/// The page. The names in it that stand for something are filled in when it is prepared.
pub(super) const INDEX: &str = include_str!("../../assets/index.html");
/// The script that keeps the page for when there is no network.
pub(super) const SERVICE_WORKER: &str = include_str!("../../assets/service-worker.js");

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../assets/", $name)))),*]
    };
}

/// Every other file of the page, by name.
pub(super) const FILES: &[(&str, &[u8])] = embedded![
    "icon.svg",
    "js/api.js",
    "js/composer.js",
    "js/connection.js",
    "js/deadline.js",
    "js/deletion.js",
    "js/elements.js",
    "js/export-view.js",
    "js/feeds.js",
    "js/job-card.js",
    "js/job-list.js",
    "js/job-watch.js",
    "js/job-words.js",
    "js/month-day.js",
    "js/month-days.js",
    "js/month-view.js",
    "js/notices.js",
    "js/problem.js",
    "js/remembered.js",
    "js/route.js",
    "js/shortcuts.js",
    "js/start.js",
    "js/texts.js",
    "js/todo-editor.js",
    "js/todo-row.js",
    "js/todo-rows.js",
    "js/todos-view.js",
    "js/todos.js",
    "js/unsaved.js",
    "page.webmanifest",
];

/// The parts of the page's style sheet, in their order: later ones go over earlier ones.
pub(super) const STYLES: &[(&str, &[u8])] = embedded![
    "css/foundation.css",
    "css/frame.css",
    "css/todos.css",
    "css/month.css",
    "css/export.css",
];

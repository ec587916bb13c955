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
FILES_LIST
];

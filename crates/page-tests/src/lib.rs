//! The page in real browsers, with real processes behind it: every test runs in Chromium, and the main tasks also in
//! Firefox and WebKit.
//!
//! The tests are in `tests/it`. All of them are ignored by default, because they need browsers: `.ci/page-tests`
//! installs what is missing and runs them.

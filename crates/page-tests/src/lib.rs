//! The page in real browsers, over the real processes: Debian's Chromium, and the whole way once in Firefox and WebKit.
//!
//! Everything is in `tests/it`, and every test is ignored unless it is asked for: `.ci/page-tests` installs what is
//! needed and runs them all.

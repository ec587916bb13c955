//! The page in a real browser, over the real processes: Debian's Chromium, driven by its driver.
//!
//! Everything is in `tests/it`, and every test is ignored unless it is asked for: `.ci/page-tests` installs what is
//! needed and runs them all.

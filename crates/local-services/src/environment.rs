//! The few variables read here.

use std::ffi::OsString;

/// A variable's value, unless it is empty.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no config struct; the launcher's settings come as arguments"
)]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

//! The few environment variables that this crate reads.

use std::ffi::OsString;

/// Returns a variable's value, or `None` if it is unset or empty.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no config struct; the launcher's settings come as arguments"
)]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

//! How a job ends, in one place.

/// The assignments that every terminal status shares; the statement adds `status` and, where it has one, `error`.
///
/// `now()` is the start of the transaction, so a job's end and its result carry the same time.
pub(super) const END: &str = "version = version + 1, lease_until = NULL, retry_at = NULL, send_after = NULL, \
                              finished_at = now(), expires_at = now() + expiry";

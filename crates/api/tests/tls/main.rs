//! The API with TLS to its database.

#[cfg(test)]
mod database;
#[cfg(test)]
#[expect(dead_code, reason = "these tests need only some of it")]
#[path = "../it/support/process.rs"]
mod process;

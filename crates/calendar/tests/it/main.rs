//! Complete calendars: their bytes, and what other programs read in them.
//!
//! - `golden`: the exact bytes for each option, stored in `golden/`
//! - `counts`: zero, one and a hundred thousand todos, and those that are left out
//! - `parsers`: two Rust parsers read every text back unchanged
//! - `readers`: two Python readers read every field back unchanged
//! - `generate`: random todos and options
//! - `expected`: the expected contents, implemented independently of the writer

#[cfg(test)]
mod counts;
#[cfg(test)]
mod expected;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod parsers;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod rendering;
#[cfg(test)]
mod venv;

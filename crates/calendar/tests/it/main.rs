//! Calendars as a whole: their bytes, and what other programs read in them.
//!
//! - `golden`: the bytes for each option, kept in `golden/`
//! - `counts`: none, one and a hundred thousand todos, and those that are left out
//! - `parsers`: two parsers in Rust find the same text again, whatever it was
//! - `readers`: two readers in Python find every field again
//! - `generate`: todos and options to try it with
//! - `expected`: what has to be found, told a second time and without the writer

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

//! Checks a calendar file's bytes for violations of RFC 5545 that calendar programs stumble over.
//!
//! It reports what parsers forgive but some calendar programs do not, for example a line that ends with LF only, a fold
//! within a character, or an unescaped comma. It is not a complete validator: properties and components that it does
//! not know pass unchecked.
//!
//! # Layout, from a file's bytes to its findings
//! - `lines`: splits the bytes into unfolded lines, and checks the lines themselves
//! - `content_line`: splits a line into its name, parameters and value
//! - `value`, `moment`: the values of properties
//! - `structure`: how components nest, and what must be unique within a calendar
//! - `component`, `kind`: which properties each component has
//! - `finding`: the rules, and where they are violated

use std::fs;
use std::io;
use std::path::Path;

use self::finding::Findings;
use self::lines::Unfold;
use self::structure::Structure;

mod component;
mod content_line;
mod finding;
mod kind;
mod lines;
mod moment;
mod structure;
#[cfg(test)]
mod tests;
mod value;

pub use finding::{Finding, Rule};

/// Returns every violation in a calendar, ordered by line. Takes time proportional to the number of bytes.
pub fn lint(bytes: &[u8]) -> Vec<Finding> {
    let mut findings = Findings::default();
    let mut lines = Unfold::new(bytes, &mut findings);
    let mut structure = Structure::default();
    while let Some((number, line)) = lines.next(&mut findings) {
        structure.line(number, &line, &mut findings);
    }
    structure.end(lines.number(), &mut findings);
    findings.into_sorted()
}

/// Writes a file's findings, one per line, each after the file's name. Returns how many there are.
///
/// # Errors
/// Returns an error if the file can't be read or `out` can't be written.
pub fn report(path: &Path, out: &mut impl io::Write) -> io::Result<usize> {
    let findings = lint(&fs::read(path)?);
    for finding in &findings {
        writeln!(out, "{}:{finding}", path.display())?;
    }
    Ok(findings.len())
}

//! The report of a soak.

use std::io::{self, Write};

use super::Outcome;
use crate::check::{Verdict, Violation};

/// How many violations are printed. The rest is only counted.
const SHOWN: usize = 20;

/// Writes the results as a Markdown table, followed by the violations.
///
/// # Errors
/// Returns an error if `out` cannot be written.
pub fn write(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    let verdict = &outcome.verdict;
    let queue = clap::ValueEnum::to_possible_value(&outcome.queue);
    let queue = queue
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default();
    let ended: Vec<String> = verdict
        .ended
        .iter()
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    let faults: usize = verdict.faults.values().map(|fault| fault.times).sum();
    writeln!(
        out,
        "| soak | queue {queue}, seed {}, {} s |",
        outcome.seed,
        outcome.took.as_secs()
    )?;
    writeln!(out, "|---|---|")?;
    let mut row = |name: &str, value: String| writeln!(out, "| {name} | {value} |");
    row("jobs accepted", verdict.accepted.to_string())?;
    row("jobs ended", ended.join(", "))?;
    row("faults", faults.to_string())?;
    row("lost", verdict.lost.to_string())?;
    row("duplicated effects", verdict.duplicated.to_string())?;
    row("unexpected", verdict.unexpected.to_string())?;
    row("regressions", verdict.regressions.to_string())?;
    row(
        "longest recovery",
        format!("{:.1} s", verdict.longest_recovery.as_secs_f64()),
    )?;
    row(
        "longest standstill, including faults",
        format!("{:.1} s", verdict.longest_standstill.as_secs_f64()),
    )?;
    row("guarantees broken", broken(&verdict.violations))?;
    write_recoveries(out, verdict)?;
    for violation in verdict.violations.iter().take(SHOWN) {
        writeln!(out, "{violation}")?;
    }
    if let Some(more) = verdict
        .violations
        .len()
        .checked_sub(SHOWN)
        .filter(|more| *more > 0)
    {
        writeln!(out, "and {more} more")?;
    }
    Ok(())
}

/// Writes how soon the jobs continued after each kind of fault.
fn write_recoveries(out: &mut impl Write, verdict: &Verdict) -> io::Result<()> {
    let header = "fault | times | running jobs continue after: median | longest | waiting jobs begin after: longest";
    writeln!(out, "\n| {header} |\n|---|---|---|---|---|")?;
    for (kind, recovery) in &verdict.faults {
        let [median, longest, wait] = [recovery.median, recovery.longest, recovery.longest_wait]
            .map(|time| format!("{:.1} s", time.as_secs_f64()));
        writeln!(
            out,
            "| {kind} | {} | {median} | {longest} | {wait} |",
            recovery.times
        )?;
    }
    Ok(())
}

fn broken(violations: &[Violation]) -> String {
    let mut names: Vec<_> = violations
        .iter()
        .map(|violation| violation.guarantee)
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        "none".to_owned()
    } else {
        format!("{} ({} times)", names.join(", "), violations.len())
    }
}

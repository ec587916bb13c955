//! The tables of a run.

use std::io::{self, Write};

mod counts;

use crate::feeds::{Phase, Results as Feeds};
use crate::measure::Statement;
use crate::options::{FeedsOptions, OverloadOptions, PipelineOptions, QueueKind, SustainedOptions};
use crate::overload::Results as Overload;
use crate::pipeline::Results;
use crate::sustained::{Minute, Results as Sustained};
use crate::watchers::Watched;

/// How many statements are shown.
const STATEMENTS: usize = 10;

/// Writes the tables of `pipeline`.
///
/// # Errors
/// Returns an error if `out` can't be written.
pub fn write_pipeline(
    out: &mut impl Write,
    options: &PipelineOptions,
    results: &Results,
) -> io::Result<()> {
    let system = &options.system;
    writeln!(
        out,
        "queue {}, {} todos, {} API, {} worker; fsync=on, synchronous_commit=on\n",
        queue(options.system.queue, options.system.sqs_endpoint.is_some()),
        system.todos,
        system.apis,
        system.workers
    )?;
    counts::write(out, results)?;
    rates(out, options, results)?;
    counts::write_peer(out, results)?;
    watched(out, &results.watched)?;
    for (phase, counted) in [
        ("accept", &results.accept.counted),
        ("drain", &results.drain.counted),
    ] {
        statements(out, phase, &counted.statements)?;
    }
    Ok(())
}

fn queue(queue: QueueKind, is_other_endpoint: bool) -> String {
    let endpoint = match (queue.is_sqs(), is_other_endpoint) {
        (false, _) => "",
        (true, true) => " (another endpoint)",
        (true, false) => " (stub)",
    };
    format!("{}{endpoint}", queue.name())
}

fn rates(out: &mut impl Write, options: &PipelineOptions, results: &Results) -> io::Result<()> {
    let (many, few) = (options.system.clients, options.few_clients);
    let peer = results.peer.as_ref();
    writeln!(
        out,
        "\n{:<44}{:>10}{}",
        peer.map_or("per second".to_owned(), |peer| {
            format!("per second; Celery uses {}", peer.kind.broker().name())
        }),
        "",
        if peer.is_some() {
            "    Celery     ratio"
        } else {
            ""
        }
    )?;
    let lines = [
        (
            format!("accepted, {many} clients"),
            results.accept.posted.rate,
            peer.map(|p| p.accept.rate),
        ),
        (
            format!("accepted, {few} clients"),
            results.accept_few.rate,
            peer.map(|p| p.accept_few.rate),
        ),
        (
            "completed, no other load".to_owned(),
            results.drain.rate,
            peer.map(|p| p.drain_rate),
        ),
        (
            format!("accepted, {few} clients, workers running"),
            results.posting.posted.rate,
            peer.map(|p| p.posting.rate),
        ),
        (
            "  completed meanwhile".to_owned(),
            results.posting.completed_rate,
            peer.map(|p| p.posting_completed_rate),
        ),
        ("GET status".to_owned(), results.reads.status, None),
        ("GET /health".to_owned(), results.reads.health, None),
    ];
    for (name, ours, theirs) in lines {
        write!(out, "{name:<44}{ours:>10.0}")?;
        if let Some(theirs) = theirs {
            write!(out, "{theirs:>10.0}{:>9.1}x", ours / theirs)?;
        }
        writeln!(out)?;
    }
    let idle = results.idle;
    writeln!(
        out,
        "\none job at a time on an idle system: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms\n\
         memory: API {:.0} MB, worker {:.0} MB (peak {:.0} MB)",
        idle.p50,
        idle.p99,
        idle.max,
        results.memory.api,
        results.memory.worker,
        results.memory.worker_peak
    )
}

/// Writes what each of those who watched saw.
fn watched(out: &mut impl Write, phases: &[Watched]) -> io::Result<()> {
    for phase in phases.iter().filter(|phase| !phase.watchers.is_empty()) {
        writeln!(
            out,
            "\n{:<44}{:>10}{:>16}",
            format!("watchers during \"{}\"", phase.phase),
            "updates/s",
            "longest gap, s"
        )?;
        for (number, seen) in phase.watchers.iter().enumerate() {
            let name = format!("watcher {}", number + 1);
            writeln!(
                out,
                "{name:<44}{:>10.2}{:>16.2}",
                seen.rate, seen.longest_gap
            )?;
        }
    }
    Ok(())
}

fn statements(out: &mut impl Write, phase: &str, statements: &[Statement]) -> io::Result<()> {
    writeln!(
        out,
        "\nmost frequent statements of the phase {phase}\n{:>9}{:>11}{:>10}{:>10}",
        "calls", "rows", "mean ms", "max ms"
    )?;
    for statement in statements.iter().take(STATEMENTS) {
        statement_line(out, statement)?;
    }
    Ok(())
}

fn statement_line(out: &mut impl Write, statement: &Statement) -> io::Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "a mean is not that exact")]
    let mean = statement.total_ms / statement.calls.max(1) as f64;
    let text: String = statement.query.chars().take(110).collect();
    writeln!(
        out,
        "{:>9}{:>11}{mean:>10.3}{:>10.1}  {text}",
        statement.calls, statement.rows, statement.max_ms
    )
}

/// Writes the tables of `feeds`.
///
/// # Errors
/// Returns an error if `out` can't be written.
#[expect(clippy::cast_precision_loss, reason = "a table is not that exact")]
pub fn write_feeds(
    out: &mut impl Write,
    options: &FeedsOptions,
    results: &Feeds,
) -> io::Result<()> {
    let (idle, polled) = (&results.idle, &results.polled);
    let polls_per_second = results.polls as f64 / polled.seconds;
    writeln!(
        out,
        "{} todos, {} feeds, {} subscribers, {polls_per_second:.1} polls/s, all answered with 304; \
         p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms\n\n{:<44}{:>10}{:>10}{:>10}",
        options.system.todos,
        options.feeds,
        options.subscribers,
        results.response.p50,
        results.response.p99,
        results.response.max,
        "for each second, and for each poll",
        "idle",
        "polled",
        "poll"
    )?;
    for (name, _, value) in counts::lines(options.system.queue) {
        let (before, during) = (idle.per_second(value), polled.per_second(value));
        let poll = (during - before) / polls_per_second;
        writeln!(out, "{name:<44}{before:>10.3}{during:>10.3}{poll:>10.3}")?;
    }
    let cores = |phase: &Phase| phase.per_second(|c| c.cpu.api + c.cpu.postgres);
    writeln!(
        out,
        "\nCPU of the API and PostgreSQL: {:.1} % of a core, {:.1} % on the idle system",
        100.0 * cores(polled),
        100.0 * cores(idle)
    )?;
    statements(out, "polled", &polled.counted.statements)
}

/// Writes the table of `overload`.
///
/// # Errors
/// Returns an error if `out` can't be written.
pub fn write_overload(
    out: &mut impl Write,
    options: &OverloadOptions,
    results: &Overload,
) -> io::Result<()> {
    writeln!(
        out,
        "{} jobs per second allowed to each client; the other client sends {} times as many\n\n\
         {:<44}{:>10}{:>10}{:>10}{:>10}{:>10}",
        options.limit,
        options.times,
        "for each second; milliseconds of accepted jobs",
        "accepted",
        "refused",
        "p50",
        "p99",
        "longest"
    )?;
    for (name, client) in [
        ("the client within its limit, alone", &results.alone),
        (
            "the client within its limit, with the other",
            &results.polite,
        ),
        ("the other client", &results.greedy),
    ] {
        let times = client.response;
        writeln!(
            out,
            "{name:<44}{:>10.1}{:>10.1}{:>10.1}{:>10.1}{:>10.1}",
            client.accepted, client.refused, times.p50, times.p99, times.max
        )?;
    }
    Ok(())
}

/// Writes the tables of `sustained`.
///
/// # Errors
/// Returns an error if `out` can't be written.
pub fn write_sustained(
    out: &mut impl Write,
    options: &SustainedOptions,
    results: &Sustained,
) -> io::Result<()> {
    let system = &options.system;
    write!(
        out,
        "queue {}, {} todos, {} API, {} worker, {} stored jobs; ",
        queue(system.queue, system.sqs_endpoint.is_some()),
        system.todos,
        system.apis,
        system.workers,
        options.stored_jobs
    )?;
    if let Some(maximum) = results.maximum {
        write!(out, "maximum {maximum:.0}/s; ")?;
    }
    writeln!(
        out,
        "constant rate {:.0}/s; POST p50 {:.1} ms, p99 {:.1} ms\n",
        results.rate, results.posted.response.p50, results.posted.response.p99
    )?;
    writeln!(
        out,
        "{:>6}{:>8}{:>9}{:>9}{:>12}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "minute",
        "jobs/s",
        "p50 ms",
        "p99 ms",
        "dead jobs",
        "dead results",
        "jobs MB",
        "index MB",
        "API MB",
        "worker MB",
        "list ms"
    )?;
    for (number, minute) in results.minutes.iter().enumerate() {
        minute_line(out, number + 1, minute)?;
    }
    let mut slowest = results.counted.statements.clone();
    slowest.sort_by(|one, other| other.max_ms.total_cmp(&one.max_ms));
    writeln!(
        out,
        "\nslowest statements\n{:>9}{:>11}{:>10}{:>10}",
        "calls", "rows", "mean ms", "max ms"
    )?;
    for statement in slowest.iter().take(STATEMENTS) {
        statement_line(out, statement)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a table is not that exact")]
fn minute_line(out: &mut impl Write, number: usize, minute: &Minute) -> io::Result<()> {
    let dead = |name: &str| {
        let table = minute.tables.iter().find(|table| table.name == name);
        table.map_or(0, |table| table.dead_rows)
    };
    let jobs = minute
        .tables
        .iter()
        .find(|table| table.name == "calendar_jobs");
    let indexes: i64 = minute.indexes.iter().map(|index| index.bytes).sum();
    let listing = minute
        .listings
        .iter()
        .map(|listing| listing.ms)
        .fold(0.0, f64::max);
    writeln!(
        out,
        "{number:>6}{:>8.0}{:>9.1}{:>9.1}{:>12}{:>12}{:>10.0}{:>10.1}{:>10.1}{:>10.1}{listing:>10.1}",
        minute.rate,
        minute.p50_ms,
        minute.p99_ms,
        dead("calendar_jobs"),
        dead("calendar_results"),
        jobs.map_or(0.0, |table| table.bytes as f64 / 1e6),
        indexes as f64 / 1e6,
        minute.memory.api,
        minute.memory.worker
    )
}

//! What was counted, for each job.

use std::io::{self, Write};

use tcp_proxy::Traffic;

use crate::measure::Counted;
use crate::options::QueueKind;
use crate::pipeline::Results;

/// A line of the table of counts: its name, the queues that it is for, and the value for a phase.
pub(super) type Line = (&'static str, fn(QueueKind) -> bool, fn(&Counted) -> f64);

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one run are far below 2^52"
)]
const LINES: [Line; 14] = [
    ("database statements", any, |c| c.database.statements as f64),
    ("writing commits (each waits for a flush)", any, |c| {
        c.database.writing_commits as f64
    }),
    ("flushes of the WAL", any, |c| c.database.wal_flushes as f64),
    ("notifications", any, |c| c.database.notifications as f64),
    ("row versions, without TOAST", any, |c| {
        c.database.row_versions as f64
    }),
    ("TOAST rows", any, |c| c.database.toast_rows as f64),
    ("WAL without the result, KB", any, |c| {
        (c.database.wal_bytes - c.database.result_bytes) as f64 / 1000.0
    }),
    ("SQS calls", QueueKind::is_sqs, |c| {
        c.queue_calls.values().sum::<u64>() as f64
    }),
    ("CPU of the API, ms", any, |c| c.cpu.api * 1000.0),
    ("CPU of the worker, ms", any, |c| c.cpu.worker * 1000.0),
    ("CPU of PostgreSQL, ms", any, |c| c.cpu.postgres * 1000.0),
    ("CPU of the SQS stub, ms", QueueKind::is_sqs, |c| {
        c.cpu.queue_stub * 1000.0
    }),
    ("CPU of the broker, ms", has_broker, |c| {
        c.cpu.broker * 1000.0
    }),
    ("CPU of the clients, ms", any, |c| c.cpu.clients * 1000.0),
];

/// A line about what passed between processes and their broker.
type TrafficLine = (&'static str, fn(Traffic) -> f64);

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one run are far below 2^52"
)]
const TRAFFIC: [TrafficLine; 4] = [
    ("round trips to the broker", |t| t.round_trips as f64),
    ("writes to the broker", |t| t.writes as f64),
    ("KB to the broker", |t| t.sent_bytes as f64 / 1000.0),
    ("KB from the broker", |t| t.received_bytes as f64 / 1000.0),
];

fn any(_queue: QueueKind) -> bool {
    true
}

fn has_broker(queue: QueueKind) -> bool {
    queue.has_broker()
}

/// Returns the lines for a queue.
pub(super) fn lines(queue: QueueKind) -> impl Iterator<Item = Line> {
    LINES.into_iter().filter(move |(_, suits, _)| suits(queue))
}

/// What was counted in two phases, and how many jobs each of them accepted or completed.
struct Phases<T> {
    accept: (T, u64),
    complete: (T, u64),
}

impl<T: Copy> Phases<T> {
    /// Writes one line: the value for each job in each phase, and the sum of both.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of one run are far below 2^52"
    )]
    fn line(&self, out: &mut impl Write, name: &str, value: impl Fn(T) -> f64) -> io::Result<()> {
        let [accept, complete] =
            [self.accept, self.complete].map(|(counted, jobs)| value(counted) / jobs as f64);
        let sum = accept + complete;
        writeln!(out, "{name:<44}{accept:>10.3}{complete:>10.3}{sum:>10.3}")
    }
}

fn heading(out: &mut impl Write, what: &str) -> io::Result<()> {
    writeln!(
        out,
        "{what:<44}{:>10}{:>10}{:>10}",
        "accept", "complete", "sum"
    )
}

/// Writes what TaskOverflow's jobs cost.
pub(super) fn write(out: &mut impl Write, results: &Results) -> io::Result<()> {
    let (accept, drain) = (&results.accept, &results.drain);
    let queue = results.options.system.queue;
    heading(out, "for each job")?;
    let counted = Phases {
        accept: (&accept.counted, accept.posted.jobs),
        complete: (&drain.counted, drain.jobs),
    };
    for (name, _, value) in lines(queue) {
        counted.line(out, name, value)?;
    }
    if has_broker(queue) {
        let traffic = Phases {
            accept: (accept.counted.broker, accept.posted.jobs),
            complete: (drain.counted.broker, drain.jobs),
        };
        write_traffic(out, &traffic)?;
    }
    let mut calls = accept.counted.queue_calls.clone();
    for (action, count) in &drain.counted.queue_calls {
        *calls.entry(action.clone()).or_default() += count;
    }
    for (action, count) in &calls {
        writeln!(out, "  {action}: {count} calls in both phases")?;
    }
    Ok(())
}

/// Writes what passed between the peer and its broker.
pub(super) fn write_peer(out: &mut impl Write, results: &Results) -> io::Result<()> {
    let Some(peer) = &results.peer else {
        return Ok(());
    };
    writeln!(out)?;
    heading(out, "for each job of Celery")?;
    let traffic = Phases {
        accept: (peer.accept_broker, peer.accept.jobs),
        complete: (peer.drain_broker, peer.drain_jobs),
    };
    write_traffic(out, &traffic)
}

fn write_traffic(out: &mut impl Write, traffic: &Phases<Traffic>) -> io::Result<()> {
    for (name, value) in TRAFFIC {
        traffic.line(out, name, value)?;
    }
    Ok(())
}

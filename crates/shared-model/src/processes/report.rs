//! The statements of a process about itself.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Integer, Nullable, Text};

use super::Role;
use crate::activity::{PERIOD, Tally};
use crate::database::{DatabaseError, prepared};

/// How often a process at least says that it is alive, in seconds.
const HEARTBEAT_SECONDS: u32 = 5;

/// A process that starts.
#[derive(Debug, Clone)]
pub struct NewProcess {
    /// What it does.
    pub role: Role,
    /// The name of its host.
    pub host: String,
    /// Its id on that host.
    pub pid: i32,
    /// The version of the program.
    pub version: &'static str,
    /// How many jobs a worker runs at the same time.
    pub slots: Option<i32>,
}

impl NewProcess {
    /// Returns this process.
    pub fn this(role: Role, slots: Option<usize>) -> Self {
        let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
        Self {
            role,
            host: host.unwrap_or_else(|_| "unknown".to_owned()),
            pid: i32::try_from(std::process::id()).unwrap_or(0),
            version: env!("CARGO_PKG_VERSION"),
            slots: slots.map(|slots| i32::try_from(slots).unwrap_or(i32::MAX)),
        }
    }
}

/// What a process reports.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many jobs a worker runs.
    pub in_flight: Option<i32>,
    /// What the process did since its last report.
    pub tally: Tally,
}

/// What a process learns when it reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Control {
    /// Whether an operator has paused processing.
    pub paused: bool,
    /// Whether an operator has asked this worker to finish its jobs and stop.
    pub drain: bool,
    /// Whether the process is still registered. If it is not, nothing was stored.
    pub known: bool,
}

/// Registers a process that starts. Returns its id, and what it has to know.
///
/// # Errors
/// Returns an error if the database does not answer. The process may be registered all the same, and counts as gone soon.
pub fn register(
    connection: &mut PgConnection,
    process: &NewProcess,
) -> Result<(i32, Control), DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Integer)]
        id: i32,
        #[diesel(sql_type = Bool)]
        paused: bool,
    }
    let query = diesel::sql_query(
        "INSERT INTO processes (role, host, pid, version, slots, in_flight)
         VALUES ($1, $2, $3, $4, $5, CASE $1 WHEN 'worker' THEN 0 END)
         RETURNING id, EXISTS (SELECT FROM processing WHERE id = true AND paused_at IS NOT NULL) AS paused",
    )
    .bind::<Text, _>(process.role.name())
    .bind::<Text, _>(&process.host)
    .bind::<Integer, _>(process.pid)
    .bind::<Text, _>(process.version)
    .bind::<Nullable<Integer>, _>(process.slots);
    let Row { id, paused } = query.get_result(connection)?;
    let control = Control {
        paused,
        drain: false,
        known: true,
    };
    Ok((id, control))
}

/// Stores what a process reports, and returns what it has to know. The process counts as alive. If nothing has changed and
/// the last heartbeat is recent, this only reads.
///
/// # Errors
/// Returns an error if the database does not answer. The report may be stored all the same.
pub fn report(
    connection: &mut PgConnection,
    id: i32,
    report: &Report,
) -> Result<Control, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        paused: bool,
        #[diesel(sql_type = Bool)]
        drain: bool,
        #[diesel(sql_type = Bool)]
        known: bool,
    }
    let seconds = PERIOD.as_secs();
    let sum = |column: &str| {
        format!(
            "(SELECT array_agg(coalesce(old, 0) + coalesce(new, 0) ORDER BY position)
              FROM unnest(total.{column}, excluded.{column}) WITH ORDINALITY AS bucket (old, new, position))"
        )
    };
    let (wait_sum, run_sum) = (sum("wait_seconds"), sum("run_seconds"));
    let query = diesel::sql_query(format!(
        "WITH me AS MATERIALIZED (
             SELECT id, drain_requested_at IS NOT NULL AS drain,
                    heartbeat_at < now() - interval '{HEARTBEAT_SECONDS} s' OR in_flight IS DISTINCT FROM $2
                        OR stopped_at IS NOT NULL AS is_due
             FROM processes WHERE id = $1),
         beat AS (
             UPDATE processes SET heartbeat_at = now(), in_flight = $2, stopped_at = NULL FROM me
             WHERE processes.id = me.id AND me.is_due),
         counted AS (
             INSERT INTO activity AS total (period, process_id, accepted, published, started, succeeded, failed, retried,
                                            revoked, wait_seconds, run_seconds)
             SELECT to_timestamp(floor(extract(epoch FROM now()) / {seconds}) * {seconds}), me.id, $4[1], $4[2], $4[3],
                    $4[4], $4[5], $4[6], $4[7], $5, $6
             FROM me WHERE $3
             ON CONFLICT (period, process_id) DO UPDATE
             SET accepted = total.accepted + excluded.accepted, published = total.published + excluded.published,
                 started = total.started + excluded.started, succeeded = total.succeeded + excluded.succeeded,
                 failed = total.failed + excluded.failed, retried = total.retried + excluded.retried,
                 revoked = total.revoked + excluded.revoked, wait_seconds = {wait_sum}, run_seconds = {run_sum})
         SELECT EXISTS (SELECT FROM processing WHERE id = true AND paused_at IS NOT NULL) AS paused,
                coalesce((SELECT drain FROM me), false) AS drain, EXISTS (SELECT FROM me) AS known,
                -- until the end of this transaction: its commit does not wait for the disk
                set_config('synchronous_commit', 'off', true)"
    ))
    .bind::<Integer, _>(id)
    .bind::<Nullable<Integer>, _>(report.in_flight)
    .bind::<Bool, _>(!report.tally.is_empty())
    .bind::<Array<Integer>, _>(counts(&report.tally))
    .bind::<Array<Integer>, _>(report.tally.wait.to_column())
    .bind::<Array<Integer>, _>(report.tally.run.to_column());
    let Row {
        paused,
        drain,
        known,
    } = prepared(query).get_result(connection)?;
    Ok(Control {
        paused,
        drain,
        known,
    })
}

/// Returns the counts in the order of the columns.
fn counts(tally: &Tally) -> Vec<i32> {
    [
        tally.accepted,
        tally.published,
        tally.started,
        tally.succeeded,
        tally.failed,
        tally.retried,
        tally.revoked,
    ]
    .map(|count| i32::try_from(count).unwrap_or(i32::MAX))
    .to_vec()
}

/// Records that a process has ended.
///
/// # Errors
/// Returns an error if the database does not answer. The process then counts as gone soon.
pub fn stopped(connection: &mut PgConnection, id: i32) -> Result<(), DatabaseError> {
    diesel::sql_query(
        "UPDATE processes SET stopped_at = now(), heartbeat_at = now(), in_flight = CASE role WHEN 'worker' THEN 0 END
         WHERE id = $1",
    )
    .bind::<Integer, _>(id)
    .execute(connection)?;
    Ok(())
}

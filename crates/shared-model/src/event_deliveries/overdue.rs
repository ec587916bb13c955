//! How long events that should have been sent have waited.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Text};

use super::take::{RECEIVERS, every_client, every_operator};
use crate::database::{DatabaseError, prepared};

/// How many deliveries of each receiver are looked at. The first ones wait for an earlier event of their job only if many jobs
/// were redriven.
const LOOKED_AT: i64 = 100;

/// Returns how long the event that has been due for longest has waited since then, in seconds; 0 if none is due. An event is
/// not due while the service waits to try it again, or while an earlier event of its job has to be delivered.
///
/// Looks at [`RECEIVERS`] of the operators, also those that are in no settings any more, and at as many that clients chose.
/// Of the latter, only those count to which no attempt is under way or planned: a client that names a receiver which is slow,
/// or fails, makes only its own events wait.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn oldest_due_seconds(connection: &mut PgConnection) -> Result<f64, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Double)]
        seconds: f64,
    }
    let query = diesel::sql_query(format!(
        "WITH RECURSIVE operator AS ({}), client AS ({}),
         watched AS (
             SELECT name FROM operator
             UNION ALL
             SELECT name FROM client WHERE NOT EXISTS (
                 SELECT FROM event_deliveries AS tried WHERE tried.receiver = client.name AND tried.due_at > now()))
         SELECT coalesce(extract(epoch FROM now() - min(oldest.due_at)), 0)::float8 AS seconds
         FROM watched CROSS JOIN LATERAL (
             SELECT due.due_at FROM (
                 SELECT one.id, one.job_id, one.destination, one.due_at FROM event_deliveries AS one
                 WHERE one.receiver = watched.name AND one.due_at <= now()
                 ORDER BY one.due_at LIMIT $1) AS due
             WHERE NOT EXISTS (
                 SELECT FROM event_deliveries AS earlier
                 WHERE earlier.job_id = due.job_id AND earlier.id < due.id
                   AND earlier.destination = due.destination AND earlier.due_at IS NOT NULL)
             ORDER BY due.due_at LIMIT 1) AS oldest",
        every_operator("operator"),
        every_client("client")
    ))
    .bind::<BigInt, _>(LOOKED_AT)
    .bind::<Text, _>("")
    .bind::<BigInt, _>(RECEIVERS);
    Ok(prepared(query).get_result::<Row>(connection)?.seconds)
}

//! Cancels jobs.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types;

use super::lookup::JobRow;
use crate::database::DatabaseError;
use crate::job::{Job, JobId, JobStatus};
use crate::job_store::end::END;
use crate::schema::calendar_jobs;

/// The outcome of a cancellation. Each variant contains the current job.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// The job was waiting, and has ended.
    Revoked(Job),
    /// A worker runs the job and has been asked to stop.
    Requested(Job),
    /// The job was cancelled before.
    Already(Job),
    /// The job had already succeeded or failed.
    TooLate(Job),
}

/// Cancels a job: a waiting job ends immediately, and the worker of a running job is asked to stop. Returns `None` if
/// there is no such job.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn cancel(
    connection: &mut PgConnection,
    id: JobId,
) -> Result<Option<Cancelled>, DatabaseError> {
    connection.transaction(|connection| {
        let row = calendar_jobs::table.find(id.0);
        let locked = row
            .select((calendar_jobs::status, calendar_jobs::cancel_requested))
            .for_update()
            .first::<(JobStatus, bool)>(connection);
        let Some((status, cancel_requested)) = locked.optional()? else {
            return Ok(None);
        };
        let assignments = match status {
            JobStatus::Pending | JobStatus::Retry => Some(format!(
                "status = 'REVOKED', cancel_requested = true, {END}"
            )),
            JobStatus::Started if !cancel_requested => {
                Some("cancel_requested = true, version = version + 1".to_owned())
            }
            JobStatus::Started | JobStatus::Success | JobStatus::Failure | JobStatus::Revoked => {
                None
            }
        };
        if let Some(assignments) = assignments {
            diesel::sql_query(format!(
                "UPDATE calendar_jobs SET {assignments} WHERE id = $1"
            ))
            .bind::<sql_types::Uuid, _>(id.0)
            .execute(connection)?;
        }
        let job = row.select(JobRow::as_select()).first(connection)?.into();
        Ok(Some(match status {
            JobStatus::Pending | JobStatus::Retry => Cancelled::Revoked(job),
            JobStatus::Started => Cancelled::Requested(job),
            JobStatus::Revoked => Cancelled::Already(job),
            JobStatus::Success | JobStatus::Failure => Cancelled::TooLate(job),
        }))
    })
}

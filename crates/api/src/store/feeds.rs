//! The `calendar_feeds` table. A feed is a calendar that programs subscribe to. When its todos have changed, a job renders
//! its next calendar.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use shared_model::database::DatabaseError;
use shared_model::job::{CalendarRequest, Job, JobId, JobStatus};
use shared_model::job_store::requests::{self, NewJob, Sender};
use shared_model::results::{self, ResultSummary};
use shared_model::schema::{calendar_feeds, calendar_jobs};
use uuid::Uuid;

use crate::feed_token::FeedToken;

/// A feed, without its secret.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = calendar_feeds, check_for_backend(Pg))]
pub struct Feed {
    /// The feed's id.
    pub id: Uuid,
    /// The todos in the calendar, and their form.
    pub request: CalendarRequest,
    /// When the feed was created.
    pub created_at: DateTime<Utc>,
}

/// Stores a new feed, with only a hash of the token's secret.
///
/// # Errors
/// Returns an error if the statement fails.
pub fn insert(
    connection: &mut PgConnection,
    token: &FeedToken,
    request: &CalendarRequest,
) -> Result<Feed, DatabaseError> {
    let feed = diesel::insert_into(calendar_feeds::table)
        .values((
            calendar_feeds::id.eq(token.id),
            calendar_feeds::secret_sha256.eq(token.secret_sha256()),
            calendar_feeds::request.eq(request),
        ))
        .returning(Feed::as_returning())
        .get_result(connection)?;
    Ok(feed)
}

/// Returns all feeds, newest first.
///
/// # Errors
/// Returns an error if the query fails.
pub fn list(connection: &mut PgConnection) -> Result<Vec<Feed>, DatabaseError> {
    let newest_first = (calendar_feeds::created_at.desc(), calendar_feeds::id.desc());
    Ok(calendar_feeds::table
        .select(Feed::as_select())
        .order(newest_first)
        .load(connection)?)
}

/// Deletes a feed. Returns whether it existed.
///
/// # Errors
/// Returns an error if the statement fails.
pub fn delete(connection: &mut PgConnection, id: Uuid) -> Result<bool, DatabaseError> {
    Ok(diesel::delete(calendar_feeds::table.find(id)).execute(connection)? == 1)
}

/// A finished calendar of a feed.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The job that rendered the calendar.
    pub job_id: JobId,
    /// When the job finished.
    pub finished_at: DateTime<Utc>,
    /// The calendar's hashes and lengths.
    pub result: ResultSummary,
}

/// The calendars of a feed.
#[derive(Debug, Clone)]
pub struct FeedState {
    /// The newest finished calendar, if there is one.
    pub shown: Option<Shown>,
    /// The job that renders a newer calendar, if there is one.
    pub pending: Option<JobId>,
    /// Whether this call created that job.
    pub is_new: bool,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = calendar_feeds, check_for_backend(Pg))]
struct Row {
    secret_sha256: Vec<u8>,
    request: CalendarRequest,
    last_job_id: Option<Uuid>,
    pending_job_id: Option<Uuid>,
}

/// Returns the calendars of a feed, and creates a job if the todos have changed since its newest calendar. Returns
/// `None` if there is no such feed or the token is wrong. The job has `expiry_seconds` to finish, and its calendar is
/// kept for the same time. `sender` sends its message.
///
/// # Errors
/// Returns an error if a statement fails.
pub fn refresh(
    connection: &mut PgConnection,
    token: &FeedToken,
    expiry_seconds: u32,
    sender: Sender,
) -> Result<Option<FeedState>, DatabaseError> {
    connection.transaction(|connection| {
        let row = calendar_feeds::table
            .find(token.id)
            .select(Row::as_select())
            // if several programs fetch the feed at the same time, only one request creates the job
            .for_update()
            .first(connection)
            .optional()?;
        let Some(row) = row.filter(|row| token.matches(&row.secret_sha256)) else {
            return Ok(None);
        };
        let pending = find_job(connection, row.pending_job_id)?;
        let ended = pending.as_ref().filter(|job| job.status.is_terminal());
        let succeeded = ended.filter(|job| job.status == JobStatus::Success);
        let last_job_id = succeeded.map_or(row.last_job_id, |job| Some(job.id.0));
        let shown = find_shown(connection, last_job_id)?;

        let mut state = FeedState {
            shown,
            pending: pending
                .as_ref()
                .filter(|job| !job.status.is_terminal())
                .map(|job| job.id),
            is_new: false,
        };
        let failed_recently = match ended {
            Some(job) if job.status != JobStatus::Success => ended_recently(connection, job.id)?,
            _ => false,
        };
        if state.pending.is_none()
            && !failed_recently
            && is_outdated(connection, &row.request, &state)?
        {
            let job = NewJob {
                id: JobId::new(),
                request: row.request,
                expiry_seconds,
                sender,
            };
            requests::insert(connection, std::slice::from_ref(&job))?;
            state.pending = Some(job.id);
            state.is_new = true;
        }
        // while a failed job delays the next one, the feed keeps the id of the failed job
        let pending_job_id = if failed_recently {
            row.pending_job_id
        } else {
            state.pending.map(|id| id.0)
        };
        if (last_job_id, pending_job_id) != (row.last_job_id, row.pending_job_id) {
            diesel::update(calendar_feeds::table.find(token.id))
                .set((
                    calendar_feeds::last_job_id.eq(last_job_id),
                    calendar_feeds::pending_job_id.eq(pending_job_id),
                ))
                .execute(connection)?;
        }
        Ok(Some(state))
    })
}

fn find_job(connection: &mut PgConnection, id: Option<Uuid>) -> Result<Option<Job>, DatabaseError> {
    match id {
        Some(id) => requests::find(connection, JobId(id)),
        None => Ok(None),
    }
}

fn find_shown(
    connection: &mut PgConnection,
    id: Option<Uuid>,
) -> Result<Option<Shown>, DatabaseError> {
    let Some(job) = find_job(connection, id)? else {
        return Ok(None);
    };
    let result = results::summary(connection, job.id)?;
    Ok(result
        .zip(job.finished_at)
        .map(|(result, finished_at)| Shown {
            job_id: job.id,
            finished_at,
            result,
        }))
}

/// Returns whether the feed needs a new calendar: the todos have changed, or the newest calendar is about to expire.
fn is_outdated(
    connection: &mut PgConnection,
    request: &CalendarRequest,
    state: &FeedState,
) -> Result<bool, DatabaseError> {
    let Some(shown) = &state.shown else {
        return Ok(true);
    };
    let selection = request.filter.selection(connection)?;
    Ok(selection.fingerprint != shown.result.todos_fingerprint
        || expires_soon(connection, shown.job_id)?)
}

fn expires_soon(connection: &mut PgConnection, id: JobId) -> Result<bool, DatabaseError> {
    Ok(calendar_jobs::table
        .find(id.0)
        .select(sql::<Bool>("expires_at <= now() + expiry / 2"))
        .first(connection)?)
}

/// Returns whether a job ended within the last minute. The next job waits that long, because a permanent failure would
/// otherwise fill the queue.
fn ended_recently(connection: &mut PgConnection, id: JobId) -> Result<bool, DatabaseError> {
    Ok(calendar_jobs::table
        .find(id.0)
        .select(sql::<Bool>("finished_at > now() - interval '1 minute'"))
        .first(connection)?)
}

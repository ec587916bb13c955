//! The feeds: calendars that programs subscribe to, each made anew by a job when its todos have changed.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use shared_model::database::DatabaseError;
use shared_model::job::{CalendarRequest, Job, JobId, JobStatus};
use shared_model::job_store::requests;
use shared_model::results::{self, ResultSummary};
use shared_model::schema::{calendar_feeds, calendar_jobs};
use uuid::Uuid;

use crate::feed_token::FeedToken;

/// A feed as its owner sees it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = calendar_feeds, check_for_backend(Pg))]
pub struct Feed {
    /// Its identity.
    pub id: Uuid,
    /// What it shows.
    pub request: CalendarRequest,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Stores a new feed; of the token only a hash.
///
/// # Errors
/// When the database does not take it.
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

/// All feeds, newest first.
///
/// # Errors
/// When the database does not answer.
pub fn list(connection: &mut PgConnection) -> Result<Vec<Feed>, DatabaseError> {
    let newest_first = (calendar_feeds::created_at.desc(), calendar_feeds::id.desc());
    Ok(calendar_feeds::table
        .select(Feed::as_select())
        .order(newest_first)
        .load(connection)?)
}

/// Revokes a feed. `false`: there is none of that id.
///
/// # Errors
/// When the database does not answer.
pub fn delete(connection: &mut PgConnection, id: Uuid) -> Result<bool, DatabaseError> {
    Ok(diesel::delete(calendar_feeds::table.find(id)).execute(connection)? == 1)
}

/// A calendar that a feed can show.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The job that made it.
    pub job_id: JobId,
    /// When it was finished.
    pub finished_at: DateTime<Utc>,
    /// What it is.
    pub result: ResultSummary,
}

/// How a feed stands.
#[derive(Debug, Clone)]
pub struct FeedState {
    /// The newest finished calendar, if one is in store.
    pub shown: Option<Shown>,
    /// The job that makes a newer one, if one is under way.
    pub pending: Option<JobId>,
    /// Whether that job was made just now.
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

/// Looks how a feed stands, and makes a job when its todos have changed since its last calendar. `None`: there is no
/// such feed, or the token is wrong.
///
/// # Errors
/// When the database does not answer.
pub fn refresh(
    connection: &mut PgConnection,
    token: &FeedToken,
    expiry_seconds: u32,
) -> Result<Option<FeedState>, DatabaseError> {
    connection.transaction(|connection| {
        let row = calendar_feeds::table
            .find(token.id)
            .select(Row::as_select())
            // several programs may ask at once: one makes the job
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
        let failed_lately = match ended {
            Some(job) if job.status != JobStatus::Success => rests(connection, job.id)?,
            _ => false,
        };
        if state.pending.is_none()
            && !failed_lately
            && is_outdated(connection, &row.request, &state)?
        {
            let job = requests::insert(connection, JobId::new(), &row.request, expiry_seconds)?;
            state.pending = Some(job.id);
            state.is_new = true;
        }
        // a job that failed stays noted for as long as it holds the next one up
        let pending_job_id = if failed_lately {
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

/// Whether a newer calendar is wanted: the todos have changed, or the last one is about to expire.
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

/// Whether a job ended so lately that the next one is to wait: a fault that stays would fill the queue.
fn rests(connection: &mut PgConnection, id: JobId) -> Result<bool, DatabaseError> {
    Ok(calendar_jobs::table
        .find(id.0)
        .select(sql::<Bool>("finished_at > now() - interval '1 minute'"))
        .first(connection)?)
}

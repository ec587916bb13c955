//! The calendar that a feed shows, and the job that renders its next one.
//!
//! A poll only reads a few rows by their primary keys: it locks nothing, and the database writes nothing. A feed is
//! refreshed at most once a minute, however many programs poll it and however many processes they ask: whoever changes
//! `refreshed_at` first refreshes the feed.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{self, Bool, Nullable, Timestamptz};
use shared_model::database::{DatabaseError, prepared};
use shared_model::job::{CalendarRequest, Job, JobId, JobStatus};
use shared_model::job_store::requests::{self, NewJob};
use shared_model::results::ResultSummary;
use shared_model::schema::{calendar_feeds, calendar_jobs, calendar_results};
use uuid::Uuid;

use crate::feed_token::FeedToken;

/// A feed, for the programs that poll it.
#[derive(Debug, Clone)]
pub struct FeedState {
    /// The feed's id.
    pub id: Uuid,
    /// The todos in the calendar, and their form.
    pub request: CalendarRequest,
    /// The newest finished calendar, if there is one.
    pub shown: Option<Shown>,
    /// The job that renders the next calendar, if it has not ended.
    pub pending: Option<JobId>,
    /// Whether it is time to check if the feed needs a new calendar. A job that has not ended will bring one anyway.
    pub is_due: bool,
    /// When this was last checked.
    refreshed_at: Option<DateTime<Utc>>,
}

/// A finished calendar of a feed.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The job that rendered the calendar.
    pub job_id: JobId,
    /// When the job finished.
    pub finished_at: DateTime<Utc>,
    /// Whether half of the time for which the calendar is kept is over.
    pub expires_soon: bool,
    /// The calendar's hashes and lengths.
    pub result: ResultSummary,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = calendar_feeds, check_for_backend(Pg))]
struct Row {
    secret_sha256: Vec<u8>,
    request: CalendarRequest,
    last_job_id: Option<Uuid>,
    pending_job_id: Option<Uuid>,
    refreshed_at: Option<DateTime<Utc>>,
    #[diesel(select_expression = is_due())]
    #[diesel(select_expression_type = SqlLiteral<Bool>)]
    is_due: bool,
}

/// Whether no process has refreshed a feed for a minute. This also spaces the jobs of a feed whose calendar can't be
/// rendered. A time in the future is normal if it is slightly later than the beginning of the transaction that reads it.
/// If it is much later, the clock was set back, and waiting until then could take long.
fn is_due() -> SqlLiteral<Bool> {
    sql(
        "(refreshed_at BETWEEN now() - interval '1 minute' AND now() + interval '1 minute') IS NOT TRUE",
    )
}

/// Returns the state of a feed. Returns `None` if there is no such feed or the token is wrong, which costs one read of
/// the primary key. Locks and writes nothing.
///
/// # Errors
/// Returns an error if a query fails.
pub fn find(
    connection: &mut PgConnection,
    token: &FeedToken,
) -> Result<Option<FeedState>, DatabaseError> {
    let feed = calendar_feeds::table
        .find(token.id)
        .select(Row::as_select());
    let row: Option<Row> = prepared(feed).get_result(connection).optional()?;
    let Some(row) = row.filter(|row| token.matches(&row.secret_sha256)) else {
        return Ok(None);
    };
    let newest = find_job(connection, row.pending_job_id)?;
    let (last_job_id, pending) = match newest.map(|job| (job.id, job.status)) {
        Some((id, JobStatus::Success)) => (Some(id.0), None),
        Some((id, status)) if !status.is_terminal() => (row.last_job_id, Some(id)),
        Some(_) | None => (row.last_job_id, None),
    };
    Ok(Some(FeedState {
        id: token.id,
        request: row.request,
        shown: find_shown(connection, last_job_id)?,
        pending,
        is_due: row.is_due && pending.is_none(),
        refreshed_at: row.refreshed_at,
    }))
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
    let Some(id) = id else {
        return Ok(None);
    };
    let query = calendar_results::table
        .inner_join(calendar_jobs::table.on(calendar_jobs::id.eq(calendar_results::job_id)))
        .filter(calendar_results::job_id.eq(id))
        .select((
            calendar_jobs::finished_at,
            sql::<Bool>("calendar_jobs.expires_at <= now() + calendar_jobs.expiry / 2"),
            ResultSummary::as_select(),
        ));
    let found: Option<(Option<DateTime<Utc>>, bool, ResultSummary)> =
        prepared(query).get_result(connection).optional()?;
    Ok(found.and_then(|(finished_at, expires_soon, result)| {
        Some(Shown {
            job_id: JobId(id),
            finished_at: finished_at?,
            expires_soon,
            result,
        })
    }))
}

/// Records that this process refreshes a feed now. Returns the feed, or `None` if another one has refreshed it since its
/// state was read, or is doing so. Waits for no lock.
///
/// # Errors
/// Returns an error if the statement fails.
pub fn claim_refresh(
    connection: &mut PgConnection,
    feed: FeedState,
) -> Result<Option<FeedState>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Claimed {
        #[diesel(sql_type = Timestamptz)]
        refreshed_at: DateTime<Utc>,
    }
    let claim = diesel::sql_query(
        "UPDATE calendar_feeds SET refreshed_at = now()
         WHERE id = (SELECT id FROM calendar_feeds WHERE id = $1 AND refreshed_at IS NOT DISTINCT FROM $2
                     FOR NO KEY UPDATE SKIP LOCKED)
         RETURNING refreshed_at",
    )
    .bind::<sql_types::Uuid, _>(feed.id)
    .bind::<Nullable<Timestamptz>, _>(feed.refreshed_at);
    let claimed: Option<Claimed> = prepared(claim).get_result(connection).optional()?;
    Ok(claimed.map(|claimed| FeedState {
        refreshed_at: Some(claimed.refreshed_at),
        ..feed
    }))
}

/// Stores the job that renders the next calendar of a feed. Returns false and stores nothing if another process has
/// refreshed the feed since its state was read, or if the feed has been deleted. If another request is just storing such
/// a job, this waits for it.
///
/// # Errors
/// Returns an error if a statement fails.
pub fn create_job(
    connection: &mut PgConnection,
    feed: &FeedState,
    job: &NewJob,
) -> Result<bool, DatabaseError> {
    connection.transaction(|connection| {
        let row = calendar_feeds::table.find(feed.id);
        let unchanged = row
            .filter(calendar_feeds::refreshed_at.is_not_distinct_from(feed.refreshed_at))
            .select(calendar_feeds::id)
            .for_no_key_update()
            .first::<Uuid>(connection);
        if unchanged.optional()?.is_none() {
            return Ok(false);
        }
        requests::insert(connection, std::slice::from_ref(job))?;
        let last_job_id = feed.shown.as_ref().map(|shown| shown.job_id.0);
        diesel::update(row)
            .set((
                calendar_feeds::refreshed_at.eq(diesel::dsl::now),
                calendar_feeds::last_job_id.eq(last_job_id),
                calendar_feeds::pending_job_id.eq(job.id.0),
            ))
            .execute(connection)?;
        Ok(true)
    })
}

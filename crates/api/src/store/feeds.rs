//! The `calendar_feeds` table, for the owners of feeds. A feed is a calendar that programs subscribe to.

use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use shared_model::database::DatabaseError;
use shared_model::job::CalendarRequest;
use shared_model::schema::calendar_feeds;
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

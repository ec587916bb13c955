//! Todos, and the filter that a list or a calendar applies to them.

use chrono::NaiveDateTime;
use diesel::dsl::{IntoBoxed, count_star, sql};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use serde::{Deserialize, Serialize};

use crate::database::prepared;
use crate::schema::todos;

/// The longest title, in code points.
pub const TITLE_MAX_CHARS: usize = 80;
/// The longest description, in code points.
pub const DESCRIPTION_MAX_CHARS: usize = 120;
/// The largest `window` before or after today, in days. A hundred years keep every date within PostgreSQL's range.
pub const WINDOW_MAX_DAYS: i32 = 36_525;

/// A row of the table `todos`. All times are UTC.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = todos, check_for_backend(Pg))]
pub struct Todo {
    /// Assigned by the database and never reused.
    pub id: i32,
    /// 1 to [`TITLE_MAX_CHARS`] code points, without leading or trailing white space.
    pub title: String,
    /// At most [`DESCRIPTION_MAX_CHARS`] code points.
    pub description: Option<String>,
    /// Whether it is done.
    pub completed: bool,
    /// When it is due, if it has a deadline.
    pub deadline_at: Option<NaiveDateTime>,
    /// When it was created.
    pub created_at: NaiveDateTime,
    /// When it last changed.
    pub updated_at: NaiveDateTime,
    /// How many times it has been changed.
    pub revision: i32,
}

/// Selects todos. Lists and calendar jobs use the same filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TodoFilter {
    /// Only completed todos (`true`), or only open ones (`false`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<bool>,
    /// Only todos that are due within this number of days from now. Overdue todos are included, and todos without a deadline
    /// are not. Between -[`WINDOW_MAX_DAYS`] and [`WINDOW_MAX_DAYS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<i32>,
}

/// The todos that a filter selects at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// How many todos there are.
    pub count: i64,
    /// Changes whenever a todo enters or leaves the selection or is changed. Equal selections have equal fingerprints.
    pub fingerprint: String,
}

/// The todos that a filter selects, themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedTodos {
    /// The todos, in the order of their ids.
    pub todos: Vec<Todo>,
    /// See [`Selection::fingerprint`].
    pub fingerprint: String,
}

/// The hash of one todo in a fingerprint.
const HASH: &str = "hashint8extended((id::bigint << 32) + revision, 0)";

impl TodoFilter {
    /// Returns the selected todos, or `None` if there are more than `max`.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn select_few(
        &self,
        connection: &mut PgConnection,
        max: u16,
    ) -> QueryResult<Option<SelectedTodos>> {
        let query = self
            .query()
            .order(todos::id)
            .limit(i64::from(max) + 1)
            .select((Todo::as_select(), sql::<BigInt>(HASH)));
        // the text depends only on which members of the filter are set
        let rows: Vec<(Todo, i64)> = prepared(query).load(connection)?;
        if rows.len() > usize::from(max) {
            return Ok(None);
        }
        let sum: i128 = rows.iter().map(|(_, hash)| i128::from(*hash)).sum();
        Ok(Some(SelectedTodos {
            fingerprint: format!("{}:{sum}", rows.len()),
            todos: rows.into_iter().map(|(todo, _)| todo).collect(),
        }))
    }

    /// Returns the current selection.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn selection(&self, connection: &mut PgConnection) -> QueryResult<Selection> {
        // a sum does not depend on the order, so the rows need not be sorted
        let sum = sql::<Text>(&format!("coalesce(sum({HASH}::numeric), 0)::text"));
        let (count, sum): (i64, String) = self
            .query()
            .select((count_star(), sum))
            .get_result(connection)?;
        Ok(Selection {
            count,
            fingerprint: format!("{count}:{sum}"),
        })
    }

    /// Returns the query for the selected todos. The caller adds an order and a limit.
    pub fn query(&self) -> IntoBoxed<'static, todos::table, Pg> {
        let mut query = todos::table.into_boxed();
        if let Some(completed) = self.completed {
            query = query.filter(todos::completed.eq(completed));
        }
        if let Some(days) = self.window {
            query = query.filter(
                sql::<Nullable<Bool>>(
                    "deadline_at <= (now() AT TIME ZONE 'utc') + make_interval(days => ",
                )
                .bind::<Integer, _>(days)
                .sql(")"),
            );
        }
        query
    }
}

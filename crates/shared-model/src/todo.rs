//! A todo, and how a list or a calendar selects among them.

use chrono::NaiveDateTime;
use diesel::dsl::{IntoBoxed, count_star, sql};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer, Nullable, Text};
use serde::{Deserialize, Serialize};

use crate::schema::todos;

/// The longest title, in code points.
pub const TITLE_MAX_CHARS: usize = 80;
/// The longest description, in code points.
pub const DESCRIPTION_MAX_CHARS: usize = 120;
/// The widest `window`, in days, to either side of today: a hundred years keep every sum of dates within range.
pub const WINDOW_MAX_DAYS: i32 = 36_525;

/// Something the user wants to get done: a row of `todos`. All times are UTC.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = todos, check_for_backend(Pg))]
pub struct Todo {
    /// Given by the database, never used twice.
    pub id: i32,
    /// 1 to [`TITLE_MAX_CHARS`] code points, without white space at its ends.
    pub title: String,
    /// At most [`DESCRIPTION_MAX_CHARS`] code points.
    pub description: Option<String>,
    /// Whether it is done.
    pub completed: bool,
    /// When it is due.
    pub deadline_at: Option<NaiveDateTime>,
    /// When it was first stored.
    pub created_at: NaiveDateTime,
    /// When it last changed.
    pub updated_at: NaiveDateTime,
    /// How often it was changed.
    pub revision: i32,
}

/// Which todos are meant; the list and a calendar job select alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TodoFilter {
    /// Only those done, or only those not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<bool>,
    /// Only those due within so many days from now, overdue ones included and those without a deadline left out.
    /// Between -[`WINDOW_MAX_DAYS`] and [`WINDOW_MAX_DAYS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<i32>,
}

/// How many todos a filter selects, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// How many.
    pub count: i64,
    /// Changes whenever a todo comes in, goes out or is changed; equal for equal selections.
    pub fingerprint: String,
}

impl TodoFilter {
    /// What is selected now.
    ///
    /// # Errors
    /// As any query.
    pub fn selection(&self, connection: &mut PgConnection) -> QueryResult<Selection> {
        // a sum does not depend on the order, so that the rows need not be sorted
        let sum = sql::<Text>(
            "coalesce(sum(hashint8extended((id::bigint << 32) + revision, 0)::numeric), 0)::text",
        );
        let (count, sum): (i64, String) = self
            .query()
            .select((count_star(), sum))
            .get_result(connection)?;
        Ok(Selection {
            count,
            fingerprint: format!("{count}:{sum}"),
        })
    }

    /// The query for the todos that are meant, to be ordered and limited further.
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

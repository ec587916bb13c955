//! The `todos` table.

use chrono::NaiveDateTime;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer, Timestamp};
use shared_model::database::DatabaseError;
use shared_model::schema::todos;
use shared_model::todo::{Todo, TodoFilter};

use crate::request::todo::{NewTodo, TodoChanges};

/// A position in the list of todos: that of the last todo on the previous page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TodoPosition {
    /// When the todo was created.
    pub created_at: NaiveDateTime,
    /// The id, which orders todos that were created at the same instant.
    pub id: i32,
}

impl From<&Todo> for TodoPosition {
    fn from(todo: &Todo) -> Self {
        Self {
            created_at: todo.created_at,
            id: todo.id,
        }
    }
}

/// Returns at most `limit` of the todos that `filter` selects, newest first, beginning after the position `after`.
///
/// # Errors
/// Returns an error if the query fails.
pub fn list(
    connection: &mut PgConnection,
    filter: &TodoFilter,
    after: Option<TodoPosition>,
    limit: u16,
) -> Result<Vec<Todo>, DatabaseError> {
    let mut query = filter
        .query()
        .select(Todo::as_select())
        .order((todos::created_at.desc(), todos::id.desc()))
        .limit(limit.into());
    if let Some(TodoPosition { created_at, id }) = after {
        // a row comparison, so that one range scan of the index finds the page
        query = query.filter(
            sql::<Bool>("(created_at, id) < (")
                .bind::<Timestamp, _>(created_at)
                .sql(", ")
                .bind::<Integer, _>(id)
                .sql(")"),
        );
    }
    Ok(query.load(connection)?)
}

/// Returns the todo with this id, if it exists.
///
/// # Errors
/// Returns an error if the query fails.
pub fn find(connection: &mut PgConnection, id: i32) -> Result<Option<Todo>, DatabaseError> {
    Ok(todos::table
        .find(id)
        .select(Todo::as_select())
        .first(connection)
        .optional()?)
}

/// Stores a new todo and returns it.
///
/// # Errors
/// Returns an error if the statement fails.
pub fn insert(connection: &mut PgConnection, todo: &NewTodo) -> Result<Todo, DatabaseError> {
    Ok(diesel::insert_into(todos::table)
        .values(todo)
        .returning(Todo::as_returning())
        .get_result(connection)?)
}

/// Changes the todo with this id and returns it, if it exists. Without changes, `updated_at` stays the same too.
///
/// # Errors
/// Returns an error if the statement fails.
pub fn update(
    connection: &mut PgConnection,
    id: i32,
    changes: &TodoChanges,
) -> Result<Option<Todo>, DatabaseError> {
    if changes.is_empty() {
        return find(connection, id);
    }
    Ok(diesel::update(todos::table.find(id))
        .set((
            changes,
            todos::updated_at.eq(sql::<Timestamp>("now() AT TIME ZONE 'utc'")),
            todos::revision.eq(todos::revision + 1),
        ))
        .returning(Todo::as_returning())
        .get_result(connection)
        .optional()?)
}

/// Deletes the todo with this id and returns it, if it existed.
///
/// # Errors
/// Returns an error if the statement fails.
pub fn delete(connection: &mut PgConnection, id: i32) -> Result<Option<Todo>, DatabaseError> {
    Ok(diesel::delete(todos::table.find(id))
        .returning(Todo::as_returning())
        .get_result(connection)
        .optional()?)
}

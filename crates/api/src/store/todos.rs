//! The table of todos. Only the API writes it.

use chrono::NaiveDateTime;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer, Timestamp};
use shared_model::database::DatabaseError;
use shared_model::schema::todos;
use shared_model::todo::{Todo, TodoFilter};

use crate::request::todo::{NewTodo, TodoChanges};

/// A place in the list of todos: the last one seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TodoPosition {
    /// When it was first stored.
    pub created_at: NaiveDateTime,
    /// Which of that instant.
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

/// At most `limit` of the todos that are meant, after `after`, newest first.
///
/// # Errors
/// When the database does not answer.
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
        // as a row comparison, which the index answers in one range
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

/// The todo of that id, if there is one.
///
/// # Errors
/// When the database does not answer.
pub fn find(connection: &mut PgConnection, id: i32) -> Result<Option<Todo>, DatabaseError> {
    Ok(todos::table
        .find(id)
        .select(Todo::as_select())
        .first(connection)
        .optional()?)
}

/// Stores a new todo.
///
/// # Errors
/// When the database does not take it.
pub fn insert(connection: &mut PgConnection, todo: &NewTodo) -> Result<Todo, DatabaseError> {
    Ok(diesel::insert_into(todos::table)
        .values(todo)
        .returning(Todo::as_returning())
        .get_result(connection)?)
}

/// Changes the todo of that id, if there is one. If nothing is to change, it stays as it is.
///
/// # Errors
/// When the database does not take it.
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

/// Deletes the todo of that id, and gives it back if there was one.
///
/// # Errors
/// When the database does not answer.
pub fn delete(connection: &mut PgConnection, id: i32) -> Result<Option<Todo>, DatabaseError> {
    Ok(diesel::delete(todos::table.find(id))
        .returning(Todo::as_returning())
        .get_result(connection)
        .optional()?)
}

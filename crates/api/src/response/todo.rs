//! The JSON form of a todo.

use std::fmt;

use chrono::{NaiveDateTime, Timelike};
use serde::{Serialize, Serializer};
use shared_model::todo::Todo;
use utoipa::ToSchema;

/// A todo. Times are in UTC, without an offset.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Todo)]
pub struct TodoView<'a> {
    id: i32,
    title: &'a str,
    description: Option<&'a str>,
    completed: bool,
    #[schema(value_type = Option<String>, example = "2023-02-27T00:00:00")]
    deadline_at: Option<IsoTime>,
    #[schema(value_type = String, example = "2023-02-20T01:02:03.000400")]
    created_at: IsoTime,
    #[schema(value_type = String, example = "2023-02-20T01:02:03.000400")]
    updated_at: IsoTime,
}

impl<'a> From<&'a Todo> for TodoView<'a> {
    fn from(todo: &'a Todo) -> Self {
        Self {
            id: todo.id,
            title: &todo.title,
            description: todo.description.as_deref(),
            completed: todo.completed,
            deadline_at: todo.deadline_at.map(IsoTime),
            created_at: IsoTime(todo.created_at),
            updated_at: IsoTime(todo.updated_at),
        }
    }
}

/// A time in the format of the original, which is that of Python's `isoformat`: six fractional digits, or none.
#[derive(Debug, Clone, Copy)]
struct IsoTime(NaiveDateTime);

impl fmt::Display for IsoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at) = self;
        write!(
            f,
            "{:?}T{:02}:{:02}:{:02}",
            at.date(),
            at.hour(),
            at.minute(),
            at.second()
        )?;
        match at.nanosecond() / 1000 {
            0 => Ok(()),
            micros => write!(f, ".{micros:06}"),
        }
    }
}

impl Serialize for IsoTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_form_of_a_todo_is_that_of_the_original() {
        let at = |text: &str| text.parse::<NaiveDateTime>().unwrap();
        let todo = Todo {
            id: 1,
            title: "Watch CSSE6400 Lecture".into(),
            description: None,
            completed: true,
            deadline_at: Some(at("2023-02-27T00:00:00")),
            created_at: at("2023-02-20T01:02:03.000400"),
            updated_at: at("0999-02-20T01:02:03.5"),
            revision: 7,
        };
        assert_eq!(
            serde_json::to_string(&TodoView::from(&todo)).unwrap(),
            r#"{"id":1,"title":"Watch CSSE6400 Lecture","description":null,"completed":true,"deadline_at":"2023-02-27T00:00:00","created_at":"2023-02-20T01:02:03.000400","updated_at":"0999-02-20T01:02:03.500000"}"#
        );
    }
}

//! The members of a todo that a client may set.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde_json::Value;
use shared_model::schema::todos;
use shared_model::todo::{DESCRIPTION_MAX_CHARS, TITLE_MAX_CHARS};

use crate::request::deadline;
use crate::request::input_error::InputError;
use crate::request::members::{Members, boolean, printable_text, text};

const MEMBERS: [&str; 4] = ["title", "description", "completed", "deadline_at"];

/// A todo to store.
#[derive(Debug, PartialEq, Eq, Insertable)]
#[diesel(table_name = todos, treat_none_as_default_value = false)]
pub struct NewTodo {
    /// See [`shared_model::todo::Todo`].
    pub title: String,
    /// See [`shared_model::todo::Todo`].
    pub description: Option<String>,
    /// See [`shared_model::todo::Todo`].
    pub completed: bool,
    /// See [`shared_model::todo::Todo`].
    pub deadline_at: Option<NaiveDateTime>,
}

impl NewTodo {
    /// Reads the members of a new todo.
    ///
    /// # Errors
    /// Returns an error if a member is unknown, the title is missing, or a value is invalid. These are checked in this
    /// order.
    pub fn read(mut members: Members) -> Result<Self, InputError> {
        members.allow_only(&MEMBERS)?;
        Ok(Self {
            title: title(members.take("title").ok_or(InputError::MissingTitle)?)?,
            description: members.take("description").map_or(Ok(None), description)?,
            completed: members.take("completed").map_or(Ok(false), completed)?,
            deadline_at: members.take("deadline_at").map_or(Ok(None), deadline_at)?,
        })
    }
}

/// The changes to a todo. `None` leaves a column unchanged.
#[derive(Debug, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = todos)]
pub struct TodoChanges {
    /// See [`shared_model::todo::Todo`].
    pub title: Option<String>,
    /// See [`shared_model::todo::Todo`].
    pub description: Option<Option<String>>,
    /// See [`shared_model::todo::Todo`].
    pub completed: Option<bool>,
    /// See [`shared_model::todo::Todo`].
    pub deadline_at: Option<Option<NaiveDateTime>>,
}

impl TodoChanges {
    /// Reads the members to change.
    ///
    /// # Errors
    /// Returns an error if a member is unknown or its value is invalid.
    pub fn read(mut members: Members) -> Result<Self, InputError> {
        members.allow_only(&MEMBERS)?;
        Ok(Self {
            title: members.take("title").map(title).transpose()?,
            description: members.take("description").map(description).transpose()?,
            completed: members.take("completed").map(completed).transpose()?,
            deadline_at: members.take("deadline_at").map(deadline_at).transpose()?,
        })
    }

    /// Returns whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        let Self {
            title,
            description,
            completed,
            deadline_at,
        } = self;
        title.is_none() && description.is_none() && completed.is_none() && deadline_at.is_none()
    }
}

fn title(value: Value) -> Result<String, InputError> {
    let title = printable_text("title", value)?;
    let trimmed = title.trim();
    if trimmed.is_empty() || trimmed.chars().count() > TITLE_MAX_CHARS {
        return Err(InputError::invalid(format!(
            "title must have 1 to {TITLE_MAX_CHARS} characters"
        )));
    }
    Ok(trimmed.to_owned())
}

fn description(value: Value) -> Result<Option<String>, InputError> {
    if value.is_null() {
        return Ok(None);
    }
    let description = printable_text("description", value)?;
    if description.chars().count() > DESCRIPTION_MAX_CHARS {
        return Err(InputError::invalid(format!(
            "description must have at most {DESCRIPTION_MAX_CHARS} characters"
        )));
    }
    Ok(Some(description))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "has the same signature as the other readers"
)]
fn completed(value: Value) -> Result<bool, InputError> {
    boolean("completed", &value)
}

fn deadline_at(value: Value) -> Result<Option<NaiveDateTime>, InputError> {
    if value.is_null() {
        return Ok(None);
    }
    match deadline::parse(&text("deadline_at", value)?) {
        Some(deadline) => Ok(Some(deadline)),
        None => Err(InputError::invalid(
            "deadline_at must be a time such as 2023-02-27T09:30:00, 2023-02-27T09:30:00Z or 2023-02-27, or null",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn new_todo(members: Value) -> Result<NewTodo, String> {
        NewTodo::read(Members::from(members)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_todo_needs_only_a_title() {
        let todo = new_todo(json!({"title": " \tPay the rent\n "})).unwrap();
        assert_eq!(todo.title, "Pay the rent");
        assert_eq!(
            (todo.description, todo.completed, todo.deadline_at),
            (None, false, None)
        );
    }

    #[test]
    fn an_unknown_member_is_reported_before_a_missing_title() {
        for member in ["id", "colour", "created_at", "Title"] {
            let error = NewTodo::read(Members::from(json!({ member: 1 }))).unwrap_err();
            assert!(
                matches!(error, InputError::UnknownMember { member: found } if found == member),
                "{member}"
            );
        }
        assert!(matches!(
            NewTodo::read(Members::from(json!({"completed": 7}))),
            Err(InputError::MissingTitle)
        ));
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        let longest = "\u{1f468}".repeat(TITLE_MAX_CHARS);
        assert_eq!(
            new_todo(json!({"title": format!(" {longest} ")}))
                .unwrap()
                .title,
            longest
        );
        for title in [format!("{longest}x"), String::new(), "\u{a0} ".into()] {
            assert_eq!(
                new_todo(json!({ "title": title })).unwrap_err(),
                "title must have 1 to 80 characters"
            );
        }
        let longest = "é".repeat(DESCRIPTION_MAX_CHARS);
        assert!(new_todo(json!({"title": "x", "description": longest})).is_ok());
        let error =
            new_todo(json!({"title": "x", "description": format!("{longest}x")})).unwrap_err();
        assert_eq!(error, "description must have at most 120 characters");
    }

    #[test]
    fn texts_must_not_contain_control_characters() {
        for (todo, name) in [
            (json!({"title": "a\0b"}), "title"),
            (json!({"title": "a", "description": "\0"}), "description"),
        ] {
            assert_eq!(
                new_todo(todo).unwrap_err(),
                format!("{name} must not contain the control character U+0000")
            );
        }
        assert!(new_todo(json!({"title": "a\tb\nc", "description": "\t\n"})).is_ok());
    }

    #[test]
    fn the_error_names_a_member_of_the_wrong_type() {
        for (member, value, words) in [
            ("title", json!(null), "title must be a string"),
            ("title", json!(7), "title must be a string"),
            ("title", json!(["x"]), "title must be a string"),
            ("description", json!({}), "description must be a string"),
            ("completed", json!(null), "completed must be true or false"),
            ("completed", json!(1), "completed must be true or false"),
            (
                "completed",
                json!("true"),
                "completed must be true or false",
            ),
            (
                "deadline_at",
                json!(1_677_456_000),
                "deadline_at must be a string",
            ),
            ("deadline_at", json!(false), "deadline_at must be a string"),
        ] {
            let mut members = json!({"title": "x"});
            members[member] = value;
            assert_eq!(new_todo(members.clone()).unwrap_err(), words);
            let error = TodoChanges::read(Members::from(members)).unwrap_err();
            assert_eq!(error.to_string(), words);
        }
    }

    #[test]
    fn null_clears_an_optional_member_and_an_absent_member_stays_unchanged() {
        let changes = TodoChanges::read(Members::from(
            json!({"description": null, "deadline_at": null}),
        ))
        .unwrap();
        assert_eq!(changes.description, Some(None));
        assert_eq!(changes.deadline_at, Some(None));
        assert_eq!((&changes.title, changes.completed), (&None, None));
        assert!(!changes.is_empty());
        assert!(TodoChanges::read(Members::default()).unwrap().is_empty());
    }
}

//! The options of a calendar, for a job or a feed.

use std::str::FromStr;

use serde_json::Value;
use shared_model::calendar_options::{
    AlarmTrigger, CalendarName, CalendarOptions, Component, OptionError,
};
use shared_model::job::CalendarRequest;
use shared_model::todo::TodoFilter;

use crate::request::input_error::InputError;
use crate::request::members::{Members, boolean, text};
use crate::request::query::{Query, window_days};

const MEMBERS: [&str; 5] = ["completed", "window", "component", "alarm", "name"];

/// The options in the query, or those in the body.
#[derive(Debug, Default)]
struct Options {
    completed: Option<bool>,
    window: Option<i32>,
    component: Option<Component>,
    alarm: Option<AlarmTrigger>,
    name: Option<CalendarName>,
}

/// Reads the options from the URL's query and the body. An option may be in either, or in both with the same value.
///
/// # Errors
/// Returns an error if a member of the body is unknown, an option is invalid, or the query and the body differ.
pub fn read(query: &Query, body: Option<Members>) -> Result<CalendarRequest, InputError> {
    let query = Options::in_query(query)?;
    let body = body.map_or_else(|| Ok(Options::default()), Options::in_body)?;
    Ok(CalendarRequest {
        filter: TodoFilter {
            completed: agreed("completed", query.completed, body.completed)?,
            window: agreed("window", query.window, body.window)?,
        },
        options: CalendarOptions {
            component: agreed("component", query.component, body.component)?.unwrap_or_default(),
            alarm: agreed("alarm", query.alarm, body.alarm)?,
            name: agreed("name", query.name, body.name)?,
        },
        callback_url: None,
    })
}

impl Options {
    fn in_query(query: &Query) -> Result<Self, InputError> {
        let TodoFilter { completed, window } = query.todo_filter()?;
        Ok(Self {
            completed,
            window,
            component: parse("component", query.text("component"))?,
            alarm: parse("alarm", query.text("alarm"))?,
            name: parse("name", query.text("name"))?,
        })
    }

    fn in_body(mut members: Members) -> Result<Self, InputError> {
        members.allow_only(&MEMBERS)?;
        let mut take = |name| members.take(name).filter(|value| !value.is_null());
        let completed = take("completed").map(|value| boolean("completed", &value));
        let window = take("window").map(window);
        let mut take_text = |name| take(name).map(|value| text(name, value)).transpose();
        Ok(Self {
            completed: completed.transpose()?,
            window: window.transpose()?,
            component: parse("component", take_text("component")?.as_deref())?,
            alarm: parse("alarm", take_text("alarm")?.as_deref())?,
            name: parse("name", take_text("name")?.as_deref())?,
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "so that `map` can call it")]
fn window(value: Value) -> Result<i32, InputError> {
    match value.as_i64() {
        Some(days) => window_days(days),
        None => Err(InputError::invalid("window must be a whole number of days")),
    }
}

fn parse<T: FromStr<Err = OptionError>>(
    name: &str,
    text: Option<&str>,
) -> Result<Option<T>, InputError> {
    text.map(str::parse)
        .transpose()
        .map_err(|error| InputError::invalid(format!("{name} {error}")))
}

fn agreed<T: PartialEq>(
    name: &str,
    query: Option<T>,
    body: Option<T>,
) -> Result<Option<T>, InputError> {
    match (query, body) {
        (Some(query), Some(body)) if query != body => Err(InputError::invalid(format!(
            "{name} has different values in the query and in the body"
        ))),
        (query, body) => Ok(query.or(body)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_as_json(query: &str, body: Value) -> Result<String, String> {
        let body = Some(body).filter(|body| !body.is_null()).map(Members::from);
        match read(&Query::parse(query), body) {
            Ok(request) => Ok(serde_json::to_string(&request).unwrap()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn without_options_the_calendar_is_the_default_one() {
        for body in [
            json!(null),
            json!({}),
            json!({"completed": null, "window": null, "name": null}),
        ] {
            assert_eq!(read_as_json("", body).unwrap(), "{}");
        }
    }

    #[test]
    fn an_option_may_be_in_the_query_in_the_body_or_equal_in_both() {
        let all =
            r#"{"completed":false,"window":7,"component":"both","alarm":"-PT15M","name":"Work"}"#;
        let query = "completed=false&window=7&component=both&alarm=-pt15m&name=+Work+&unknown=1";
        let body: Value = serde_json::from_str(all).unwrap();
        assert_eq!(read_as_json(query, json!(null)).unwrap(), all);
        assert_eq!(read_as_json("", body.clone()).unwrap(), all);
        assert_eq!(read_as_json(query, body).unwrap(), all);
    }

    #[test]
    fn the_error_names_the_invalid_option() {
        for (query, body, words) in [
            ("", json!({"windw": 5}), "unknown member \"windw\""),
            (
                "",
                json!({"window": "5"}),
                "window must be a whole number of days",
            ),
            (
                "",
                json!({"window": 1.5}),
                "window must be a whole number of days",
            ),
            (
                "",
                json!({"window": 40_000}),
                "window must be from -36525 to 36525 days",
            ),
            (
                "window=abc",
                json!({}),
                "window must be a whole number of days",
            ),
            (
                "",
                json!({"completed": "true"}),
                "completed must be true or false",
            ),
            ("", json!({"component": 1}), "component must be a string"),
            (
                "",
                json!({"component": "events"}),
                "component must be event, todo or both",
            ),
            (
                "alarm=soon",
                json!({}),
                "alarm must be a duration such as -PT15M, -PT1H30M, -P1D or -P1W",
            ),
            (
                "",
                json!({"name": "a\u{0}b"}),
                "name must not contain control characters",
            ),
            (
                "completed=true",
                json!({"completed": false}),
                "completed has different values in the query and in the body",
            ),
        ] {
            assert_eq!(read_as_json(query, body).unwrap_err(), words);
        }
    }
}

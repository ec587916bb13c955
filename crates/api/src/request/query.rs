//! The query parameters of a URL.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::ops::RangeInclusive;
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use shared_model::todo::{TodoFilter, WINDOW_MAX_DAYS};

use crate::request::input_error::InputError;

/// The allowed values of `limit`.
const LIMITS: RangeInclusive<u16> = 1..=1000;

/// The query parameters of a URL. As in the original, unknown parameters are ignored, the first of repeated parameters
/// counts, and an empty value, which HTML forms send, counts as absent.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl FromRequest for Query {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::parse(request.query_string())))
    }
}

impl Query {
    /// Parses the part of a URL after the question mark.
    pub fn parse(text: &str) -> Self {
        // every text is a valid list of pairs, so this does not fail
        web::Query::<Vec<(String, String)>>::from_query(text)
            .map_or_else(|_| Self::default(), |pairs| Self(pairs.into_inner()))
    }

    /// Returns the value of a parameter, if it is present.
    pub fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// Parses the value of a parameter. `expected` describes valid values in the error message, such as "a whole number".
    ///
    /// # Errors
    /// Returns an error if the value is invalid.
    pub fn value<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, InputError> {
        let parse = |text: &str| {
            text.parse().or(Err(InputError::invalid(format!(
                "{name} must be {expected}"
            ))))
        };
        self.text(name).map(parse).transpose()
    }

    /// Returns the filter that `completed` and `window` describe.
    ///
    /// # Errors
    /// Returns an error if one of them is invalid.
    pub fn todo_filter(&self) -> Result<TodoFilter, InputError> {
        let completed = self.value("completed", "true or false")?;
        let window = self.value("window", "a whole number of days")?;
        Ok(TodoFilter {
            completed,
            window: window.map(window_days).transpose()?,
        })
    }

    /// Returns the maximum number of entries in the response.
    ///
    /// # Errors
    /// Returns an error if `limit` is not a number or is out of bounds.
    pub fn limit(&self) -> Result<Option<u16>, InputError> {
        let Some(limit) = self.value::<i64>("limit", "a whole number")? else {
            return Ok(None);
        };
        match u16::try_from(limit) {
            Ok(limit) if LIMITS.contains(&limit) => Ok(Some(limit)),
            _ => Err(InputError::invalid(format!(
                "limit must be from {} to {}",
                LIMITS.start(),
                LIMITS.end()
            ))),
        }
    }

    /// Returns the position after which the list continues. `decode` decodes the cursor.
    ///
    /// # Errors
    /// Returns an error if the cursor is malformed.
    pub fn after<T>(
        &self,
        decode: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, InputError> {
        let Some(text) = self.text("cursor") else {
            return Ok(None);
        };
        match decode(text) {
            Some(position) => Ok(Some(position)),
            None => Err(InputError::invalid("the cursor is malformed")),
        }
    }
}

/// Checks that a `window` is within its bounds.
///
/// # Errors
/// Returns an error if it is not.
pub fn window_days(days: i64) -> Result<i32, InputError> {
    i32::try_from(days)
        .ok()
        .filter(|days| (-WINDOW_MAX_DAYS..=WINDOW_MAX_DAYS).contains(days))
        .ok_or_else(|| {
            InputError::invalid(format!(
                "window must be from -{WINDOW_MAX_DAYS} to {WINDOW_MAX_DAYS} days"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_repeated_parameters_counts_and_an_empty_one_is_absent() {
        let query = Query::parse("completed=true&completed=false&limit=&window=%2D5&other=%ff");
        assert_eq!(
            query.todo_filter().unwrap(),
            TodoFilter {
                completed: Some(true),
                window: Some(-5)
            }
        );
        assert_eq!(query.limit().unwrap(), None);
    }

    #[test]
    fn the_error_names_the_invalid_parameter() {
        for (text, words) in [
            ("completed=True", "completed must be true or false"),
            ("completed=1", "completed must be true or false"),
            ("window=abc", "window must be a whole number of days"),
            ("window=1.5", "window must be a whole number of days"),
            (
                "window=99999999999999999999",
                "window must be a whole number of days",
            ),
            ("window=36526", "window must be from -36525 to 36525 days"),
            (
                "window=-9999999999",
                "window must be from -36525 to 36525 days",
            ),
        ] {
            let error = Query::parse(text).todo_filter().unwrap_err();
            assert_eq!(error.to_string(), words, "{text}");
        }
        for limit in ["limit=0", "limit=-1", "limit=1001"] {
            let error = Query::parse(limit).limit().unwrap_err();
            assert_eq!(error.to_string(), "limit must be from 1 to 1000", "{limit}");
        }
    }
}

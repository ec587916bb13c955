//! Which failed jobs an operator means.

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use serde_json::Value;
use shared_model::job::{ErrorCode, JobId, JobStatus};
use shared_model::job_store::failed::{Filter, Pass};
use uuid::Uuid;

use crate::request::input_error::InputError;
use crate::request::members::{self, ALL, Members};
use crate::request::query::Query;

const STATUS: &str = "status";
const ERROR_CODE: &str = "error_code";
const WORKER: &str = "worker";
const FINISHED_AFTER: &str = "finished_after";
const CURSOR: &str = "cursor";

/// Returns the filter in the parameters of a URL.
///
/// # Errors
/// Returns an error if a value is invalid.
pub fn from_query(query: &Query) -> Result<Filter, InputError> {
    query.text(STATUS).map(check_status).transpose()?;
    Ok(Filter {
        error_code: query.text(ERROR_CODE).map(error_code).transpose()?,
        worker_id: query.value(WORKER, "the id of a process")?,
        finished_after: query.text(FINISHED_AFTER).map(time).transpose()?,
    })
}

/// Returns the filter in a JSON object, in which a null member counts as absent, and the rest of the jobs that an earlier
/// request left. Without a filter, the member `all` must be true.
///
/// # Errors
/// Returns an error if a value is invalid, a member is unknown, or it is not clear which jobs are meant.
pub fn from_members(mut members: Members) -> Result<(Filter, Option<Pass>), InputError> {
    members.allow_only(&[STATUS, ERROR_CODE, WORKER, FINISHED_AFTER, CURSOR, ALL])?;
    let is_all = members::is_all(&mut members)?;
    let mut text = |name| match members.take(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => members::text(name, value).map(Some),
    };
    let (status, code, after) = (text(STATUS)?, text(ERROR_CODE)?, text(FINISHED_AFTER)?);
    let cursor = text(CURSOR)?;
    status.as_deref().map(check_status).transpose()?;
    let worker_id = match members.take(WORKER) {
        None | Some(Value::Null) => None,
        Some(worker) => Some(worker_id(&worker)?),
    };
    let filter = Filter {
        error_code: code.as_deref().map(error_code).transpose()?,
        worker_id,
        finished_after: after.as_deref().map(time).transpose()?,
    };
    let names = "error_code, worker or finished_after";
    members::check_choice(is_all, filter != Filter::default(), names)?;
    let pass = cursor.as_deref().map(from_cursor).transpose()?;
    Ok((filter, pass))
}

/// Returns the text that stands for the rest of a pass.
pub fn to_cursor(pass: Pass) -> String {
    format!("{}{}", pass.after.0.simple(), pass.until.0.simple())
}

fn from_cursor(text: &str) -> Result<Pass, InputError> {
    let (after, until) = text.split_at_checked(32).unwrap_or_default();
    match (Uuid::try_parse(after), Uuid::try_parse(until)) {
        (Ok(after), Ok(until)) => Ok(Pass {
            after: JobId(after),
            until: JobId(until),
        }),
        _ => Err(InputError::invalid(
            "cursor must be that of the previous response",
        )),
    }
}

/// Returns a filter as the parameters of a URL.
pub fn to_parameters(filter: &Filter) -> [(&'static str, Option<String>); 3] {
    let code = filter.error_code.and_then(|code| {
        let name = serde_json::to_value(code).ok()?;
        Some(name.as_str()?.to_owned())
    });
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    [
        (ERROR_CODE, code),
        (WORKER, filter.worker_id.map(|id| id.to_string())),
        (FINISHED_AFTER, filter.finished_after.map(time)),
    ]
}

fn check_status(text: &str) -> Result<(), InputError> {
    if text == JobStatus::Failure.name() {
        return Ok(());
    }
    Err(InputError::invalid(
        "status must be FAILURE; GET /api/v1/todos/ical lists jobs with another status",
    ))
}

fn error_code(text: &str) -> Result<ErrorCode, InputError> {
    serde_json::from_value(Value::from(text)).or(Err(InputError::invalid(
        "error_code must be database, timeout, panic, worker_stopped, result_too_large, attempts_exhausted, \
         expired_in_queue or dead_lettered",
    )))
}

fn worker_id(value: &Value) -> Result<i32, InputError> {
    let id = value.as_i64().and_then(|id| i32::try_from(id).ok());
    id.ok_or_else(|| InputError::invalid("worker must be the id of a process"))
}

/// Parses a time. PostgreSQL's range of times is smaller than chrono's.
fn time(text: &str) -> Result<DateTime<Utc>, InputError> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.to_utc())
        .filter(|time| (1..=9999).contains(&time.year()))
        .ok_or_else(|| {
            InputError::invalid("finished_after must be a time such as 2026-11-22T16:00:00Z")
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_is_the_same_in_a_url_and_in_a_body() {
        let text = "status=FAILURE&error_code=attempts_exhausted&worker=7&finished_after=2026-11-22T16:00:00.5Z";
        let filter = from_query(&Query::parse(text)).unwrap();
        let members = Members::from(json!({
            "status": "FAILURE", "error_code": "attempts_exhausted", "worker": 7,
            "finished_after": "2026-11-23T02:00:00.5+10:00",
        }));
        assert_eq!(from_members(members).unwrap(), (filter.clone(), None));
        let parameters =
            to_parameters(&filter).map(|(name, value)| format!("{name}={}", value.unwrap()));
        let again = Query::parse(&parameters.join("&"));
        assert_eq!(from_query(&again).unwrap(), filter);

        assert_eq!(from_query(&Query::parse("")).unwrap(), Filter::default());
    }

    #[test]
    fn a_body_without_a_filter_must_say_that_it_means_all() {
        let all = json!({
            "status": null, "error_code": null, "worker": null, "finished_after": null, "cursor": null, "all": true,
        });
        let read = from_members(all.into()).unwrap();
        assert_eq!(read, (Filter::default(), None));
        for unclear in [
            json!({}),
            json!({"status": "FAILURE"}),
            json!({"error_code": null, "all": null}),
            json!({"all": false}),
            json!({"cursor": "0".repeat(64)}),
        ] {
            let error = from_members(unclear.clone().into()).unwrap_err();
            let expected =
                "send error_code, worker or finished_after, or {\"all\": true} to choose all";
            assert_eq!(error.to_string(), expected, "{unclear}");
        }
        for wrong in [json!({"all": true, "worker": 7}), json!({"all": "true"})] {
            let error = from_members(wrong.into()).unwrap_err();
            assert!(error.to_string().starts_with("all "), "{error}");
        }
        let not_all = json!({"all": false, "worker": 7});
        assert_eq!(from_members(not_all.into()).unwrap().0.worker_id, Some(7));
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let pass = Pass {
            after: JobId::new(),
            until: JobId::new(),
        };
        let body = json!({"all": true, "cursor": to_cursor(pass)});
        assert_eq!(from_members(body.into()).unwrap().1, Some(pass));
        for cursor in ["", "x", &"0".repeat(63), &"0".repeat(65), &"ü".repeat(32)] {
            let error = from_members(json!({"all": true, "cursor": cursor}).into()).unwrap_err();
            assert!(
                error.to_string().starts_with("cursor must be"),
                "{cursor}: {error}"
            );
        }
    }

    #[test]
    fn the_error_names_the_invalid_value() {
        for (text, words) in [
            ("status=SUCCESS", "status must be FAILURE"),
            ("error_code=Timeout", "error_code must be database"),
            ("worker=x", "worker must be"),
            ("worker=9999999999", "worker must be"),
            ("finished_after=yesterday", "finished_after must be"),
            ("finished_after=2026-11-22", "finished_after must be"),
            (
                "finished_after=0000-11-22T16:00:00Z",
                "finished_after must be",
            ),
        ] {
            let error = from_query(&Query::parse(text)).unwrap_err().to_string();
            assert!(error.starts_with(words), "{text}: {error}");
        }
        for body in [
            json!({"worker": "7"}),
            json!({"worker": 1.5}),
            json!({"error_code": 1}),
        ] {
            assert!(from_members(body.clone().into()).is_err(), "{body}");
        }
    }
}

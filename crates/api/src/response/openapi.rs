//! The words of the API's description for what the code keeps in other forms: bodies that are read member by member,
//! and types of [`shared_model`], which knows nothing of HTTP. The rest is at the routes and the views themselves.
#![expect(dead_code, reason = "schemas: read by derives, never made")]

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, IntoResponses, ToSchema};
use uuid::Uuid;

use crate::response::todo::TodoView;

/// A todo to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTodo {
    /// 1 to 80 characters after trimming; no control characters but TAB and line feed.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$",
        example = "Watch the lecture"
    )]
    title: String,
    #[schema(
        max_length = 120,
        pattern = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"
    )]
    description: Option<String>,
    #[schema(nullable = false)]
    completed: Option<bool>,
    /// `T` or a space, an optional fraction, an optional `Z` or offset; UTC without one; or a bare date.
    #[schema(example = "2023-02-27T09:30:00+10:00")]
    deadline_at: Option<String>,
}

/// What changes in a todo.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TodoChanges {
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$",
        nullable = false
    )]
    title: Option<String>,
    #[schema(
        max_length = 120,
        pattern = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"
    )]
    description: Option<String>,
    #[schema(nullable = false)]
    completed: Option<bool>,
    #[schema(example = "2023-02-27T09:30:00Z")]
    deadline_at: Option<String>,
}

/// Which todos are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TodoFilter {
    /// Only those that are completed, or that are not.
    completed: Option<bool>,
    /// Only those whose deadline is no later than in so many days.
    #[param(minimum = -36525, maximum = 36525)]
    window: Option<i32>,
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// As the Link header of the last page has it.
    cursor: Option<String>,
}

/// What goes into a calendar, and in which form.
#[derive(Debug, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CalendarOptions {
    /// Only todos that are completed, or that are not.
    completed: Option<bool>,
    /// Only todos whose deadline is no later than in so many days.
    #[schema(minimum = -36525, maximum = 36525)]
    #[param(minimum = -36525, maximum = 36525)]
    window: Option<i32>,
    component: Option<Component>,
    /// When to remind of an open todo: a duration from its deadline.
    #[schema(example = "-PT15M")]
    #[param(example = "-PT15M")]
    alarm: Option<String>,
    /// What calendar programs call it.
    #[schema(min_length = 1, max_length = 80)]
    #[param(max_length = 80)]
    name: Option<String>,
}

/// The todo that was deleted; an empty object where there was none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum DeletedTodo {
    Todo(TodoView<'static>),
    Nothing(Nothing),
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// A calendar that programs subscribe to.
#[derive(Debug, ToSchema)]
pub(crate) struct Feed {
    id: Uuid,
    name: String,
    request: CalendarOptions,
    created_at: DateTime<Utc>,
    /// Given once, when it is made: nobody can read it from what is stored.
    #[schema(nullable = false, example = "https://todo.example.org/calendar/….ics")]
    url: Option<String>,
    #[schema(nullable = false, example = "webcal://todo.example.org/calendar/….ics")]
    webcal_url: Option<String>,
}

/// What a todo becomes in the calendar.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Component {
    Event,
    Todo,
    Both,
}

/// The state of a job, by the original's names.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum TaskStatus {
    Pending,
    Started,
    Retry,
    Success,
    Failure,
    Revoked,
}

/// Why a job failed.
#[derive(Debug, ToSchema)]
pub(crate) struct JobFailure {
    #[schema(example = "attempts_exhausted")]
    code: String,
    /// A sentence for a person.
    detail: String,
    /// What the last attempt failed of.
    cause: Option<String>,
}

/// An error (RFC 9457), with the original's `error` member.
#[derive(Debug, ToSchema)]
pub(crate) struct ProblemDetails {
    #[schema(example = "about:blank")]
    r#type: String,
    #[schema(example = "Bad Request")]
    title: String,
    status: u16,
    /// A sentence for a person.
    detail: String,
    #[schema(example = "missing title")]
    error: String,
    /// Where the error is of a job.
    task_status: Option<TaskStatus>,
    task_error: Option<JobFailure>,
}

/// What the client sent is not what it should be; `detail` names it.
#[derive(Debug, IntoResponses)]
#[response(status = 400, content_type = "application/problem+json")]
pub(crate) struct BadInput(#[to_schema] ProblemDetails);

/// Why a body is not read.
#[derive(Debug, IntoResponses)]
pub(crate) enum BadBody {
    /// It did not come in time.
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(#[to_schema] ProblemDetails),
    /// It is longer than 64 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] ProblemDetails),
    /// It is no JSON by its type.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedType(#[to_schema] ProblemDetails),
}

/// There is none of this id.
#[derive(Debug, IntoResponses)]
#[response(status = 404, content_type = "application/problem+json")]
pub(crate) struct NotFound(#[to_schema] ProblemDetails);

/// The client refuses the calendar both gzipped and as it is.
#[derive(Debug, IntoResponses)]
#[response(status = 406, content_type = "application/problem+json")]
pub(crate) struct NotAcceptable(#[to_schema] ProblemDetails);

/// The job is kept no longer.
#[derive(Debug, IntoResponses)]
#[response(status = 410, content_type = "application/problem+json")]
pub(crate) struct Expired(#[to_schema] ProblemDetails);

/// What is the service's own fault.
#[derive(Debug, IntoResponses)]
pub(crate) enum ServerFault {
    /// The cause is in the service's log, under the `X-Request-Id` of the answer.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(#[to_schema] ProblemDetails),
    /// The database is away, or a feed's first calendar is not made yet; `Retry-After` says when to try again.
    #[response(status = 503, content_type = "application/problem+json", headers(("Retry-After" = u32)))]
    Unavailable(#[to_schema] ProblemDetails),
}

/// Whether requests can be served, part by part.
#[derive(Debug, ToSchema)]
pub(crate) struct Readiness {
    #[schema(example = "ready")]
    status: String,
    #[schema(example = "reachable")]
    database: String,
    #[schema(example = "done")]
    migrations: String,
    /// As information only: unknown, reachable or unreachable.
    #[schema(example = "reachable")]
    queue: String,
}

//! OpenAPI schemas of requests. The code reads query parameters and body members one by one, so no other type describes
//! them as a whole.
#![expect(dead_code, reason = "schemas: read by derives, never constructed")]

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A new todo.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTodo {
    /// 1 to 80 characters after trimming. No control characters except TAB and line feed.
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
    /// False if absent.
    #[schema(nullable = false)]
    completed: Option<bool>,
    /// A date, or a date and a time separated by `T` or a space. Seconds, a fraction and `Z` or an offset are optional. A
    /// time without an offset is UTC.
    #[schema(example = "2023-02-27T09:30:00+10:00")]
    deadline_at: Option<String>,
}

/// The changes to a todo. Absent members stay unchanged.
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

/// Which todos to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TodoFilter {
    /// Only completed todos, or only todos that are not completed.
    completed: Option<bool>,
    /// Only todos whose deadline is at most this many days from now. Overdue todos are included.
    #[param(minimum = -36525, maximum = 36525)]
    window: Option<i32>,
}

/// Which page of a list to return.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// The maximum number of entries on the page.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// The cursor from the Link header of the previous page.
    cursor: Option<String>,
}

/// Which failed jobs: those that meet all conditions.
#[derive(Debug, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FailedJobs {
    status: Option<Failed>,
    /// The code of their error, or of its cause.
    error_code: Option<FailureCode>,
    /// The worker that had them last: the id of a process.
    worker: Option<i32>,
    /// They ended at this time or later.
    finished_after: Option<DateTime<Utc>>,
}

/// Which failed jobs to retry: those that meet all conditions, of which there must be one, or all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailedJobsToRetry {
    status: Option<Failed>,
    /// The code of their error, or of its cause.
    error_code: Option<FailureCode>,
    /// The worker that had them last: the id of a process.
    worker: Option<i32>,
    /// They ended at this time or later.
    finished_after: Option<DateTime<Utc>>,
    /// The cursor of the previous response.
    cursor: Option<String>,
    /// Whether to retry all. Then there must be no condition.
    all: Option<bool>,
}

/// Which completion events to retry: those for one host, or all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveriesToRetry {
    /// Only those for the webhooks at this host, or for `sns`.
    #[schema(example = "example.org")]
    host: Option<String>,
    /// Whether to retry all. Then there must be no host.
    all: Option<bool>,
}

/// The only status that these jobs have.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Failed {
    Failure,
}

/// Why a job failed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureCode {
    Database,
    Timeout,
    Panic,
    WorkerStopped,
    ResultTooLarge,
    AttemptsExhausted,
    ExpiredInQueue,
    DeadLettered,
}

/// The todos in a calendar, and their form.
#[derive(Debug, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CalendarOptions {
    /// Only completed todos, or only todos that are not completed.
    completed: Option<bool>,
    /// Only todos whose deadline is at most this many days from now. Overdue todos are included.
    #[schema(minimum = -36525, maximum = 36525)]
    #[param(minimum = -36525, maximum = 36525)]
    window: Option<i32>,
    component: Option<Component>,
    /// The time of the reminder for an open todo, relative to its deadline.
    #[schema(example = "-PT15M")]
    #[param(example = "-PT15M")]
    alarm: Option<String>,
    /// The name that calendar programs display.
    #[schema(min_length = 1, max_length = 80)]
    #[param(max_length = 80)]
    name: Option<String>,
}

/// The todos in a calendar, their form, and who is told when it is ready.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewJob {
    /// Only completed todos, or only todos that are not completed.
    completed: Option<bool>,
    /// Only todos whose deadline is at most this many days from now. Overdue todos are included.
    #[schema(minimum = -36525, maximum = 36525)]
    window: Option<i32>,
    component: Option<Component>,
    /// The time of the reminder for an open todo, relative to its deadline.
    #[schema(example = "-PT15M")]
    alarm: Option<String>,
    /// The name that calendar programs display.
    #[schema(min_length = 1, max_length = 80)]
    name: Option<String>,
    /// A URL that gets a signed request when the job ends: https, without a user name, and at a public address. Refused
    /// unless the operators have enabled webhooks.
    #[schema(
        max_length = 2000,
        pattern = "^https?://[^#@]+$",
        example = "https://example.org/hooks/calendar"
    )]
    callback_url: Option<String>,
}

/// The calendar components that represent a todo.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Component {
    Event,
    Todo,
    Both,
}

/// A token to sign in with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// A token that `taskoverflow-api tokens create` has printed.
    #[schema(example = "taskoverflow_…")]
    token: String,
}

/// Which deliveries of events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventHost {
    /// Only those for the webhooks at this host, or for the topic: `sns`.
    #[param(example = "example.org")]
    host: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct DeliveryPath {
    id: i64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TodoPath {
    id: usize,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ProcessPath {
    /// The id of a process in `GET /api/v1/operations`.
    id: usize,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UuidPath {
    id: Uuid,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfNoneMatch {
    /// The `ETag` of the copy that the client has.
    #[param(rename = "If-None-Match")]
    etag: Option<String>,
}

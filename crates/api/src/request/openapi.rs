//! OpenAPI schemas of requests. The code reads query parameters and body members one by one, so no other type describes
//! them as a whole.
#![expect(dead_code, reason = "schemas: read by derives, never constructed")]

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

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

/// What a todo becomes in the calendar.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Component {
    Event,
    Todo,
    Both,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TodoPath {
    id: usize,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct JobPath {
    id: Uuid,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfNoneMatch {
    #[param(rename = "If-None-Match")]
    etag: Option<String>,
}

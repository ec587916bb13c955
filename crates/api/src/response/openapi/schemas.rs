//! OpenAPI schemas of response bodies, for types of [`shared_model`], which knows nothing of HTTP, and for bodies that are
//! built from several types. All other schemas are derived on the views themselves.
#![expect(dead_code, reason = "schemas: read by derives, never constructed")]

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared_model::job::JobStatus;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{IntoResponses, PartialSchema, ToSchema};
use uuid::Uuid;

use crate::request::openapi::CalendarOptions;
use crate::response::todo::TodoView;

/// The deleted todo, or an empty object if there was no such todo.
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
    /// The address to subscribe to. Only the response to the creation of the feed has it.
    #[schema(nullable = false, example = "https://todo.example.org/calendar/….ics")]
    url: Option<String>,
    /// The same address as a `webcal:` URL, which opens the calendar program.
    #[schema(nullable = false, example = "webcal://todo.example.org/calendar/….ics")]
    webcal_url: Option<String>,
}

/// [`JobStatus`] as a schema.
#[derive(Debug)]
pub(crate) struct TaskStatus;

impl PartialSchema for TaskStatus {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "The status of a job. The names are those of the original.",
            ))
            .enum_values(Some(JobStatus::ALL.map(JobStatus::name)))
            .into()
    }
}

impl ToSchema for TaskStatus {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("TaskStatus")
    }
}

/// Why a job failed.
#[derive(Debug, ToSchema)]
pub(crate) struct JobFailure {
    #[schema(example = "attempts_exhausted")]
    code: String,
    /// A description for people.
    detail: String,
    /// The code of the last attempt's failure, if `code` is `attempts_exhausted`.
    cause: Option<String>,
}

/// Whether the process can serve requests, with the state of each dependency.
#[derive(Debug, ToSchema)]
pub(crate) struct Readiness {
    #[schema(example = "ready")]
    status: String,
    #[schema(example = "reachable")]
    database: String,
    #[schema(example = "done")]
    migrations: String,
    /// `unknown`, `reachable` or `unreachable`. For information only.
    #[schema(example = "reachable")]
    queue: String,
}

/// The copy that `If-None-Match` names is up to date.
#[derive(Debug, IntoResponses)]
#[response(status = 304)]
pub(crate) struct NotModified;

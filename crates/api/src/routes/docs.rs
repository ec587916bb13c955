//! The description of the API: the OpenAPI document, and Swagger UI to read it and to try the API.

mod security;

use std::sync::LazyLock;

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::{
    feed_calendar, feeds, health, job_events, job_list, job_result, jobs, operations, session,
    todo_list, todos,
};
use crate::page::swagger_ui;
use crate::page::{self, Asset};
use crate::response::openapi::problems::ProblemDetails;
use crate::response::problem::ApiError;

#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "TaskOverflow", description = "Todos, and calendars of them that workers render in the background."),
    paths(
        todo_list::list, todos::create, todos::find, todos::update, todos::delete,
        jobs::create, job_list::list, jobs::status, job_events::events, job_result::result, jobs::cancel,
        feeds::create, feeds::list, feeds::delete, feed_calendar::calendar,
        session::sign_in, session::sign_out, operations::session::sign_in, operations::session::sign_out,
        operations::snapshots::snapshot, operations::snapshots::live, operations::activity::activity,
        operations::processing::pause, operations::processing::resume, operations::processing::drain,
        operations::deliveries::list, operations::deliveries::retry, operations::deliveries::retry_all,
        operations::jobs::list, operations::jobs::find_history, operations::job_retries::retry,
        operations::job_retries::retry_all,
        health::health, health::livez, health::readyz, health::startedz, health::metrics,
    ),
    // utoipa collects the schemas of bodies, but not those that problem responses and parameters refer to
    components(schemas(ProblemDetails, operations::deliveries::DeliveryState)),
    tags(
        (name = "Todos"),
        (name = "Calendar jobs", description = "A client creates a job, a worker renders the calendar, and the client downloads it."),
        (name = "Feeds", description = "Calendars that programs subscribe to."),
        (name = "Session", description = "How browsers sign in."),
        (name = "Operations", description = "What operators see and do, also on the page `/operations`. All calls need a token with the scope `operator`."),
        (name = "Health"),
    )
)]
struct Description;

/// Returns the OpenAPI document, as JSON.
pub(super) fn description() -> String {
    let mut document = Description::openapi();
    for path in document.paths.paths.values_mut() {
        // one function handles PUT and PATCH, but every operation needs a unique id
        if let (Some(put), Some(patch)) = (&path.put, &mut path.patch) {
            patch.operation_id = put.operation_id.as_ref().map(|id| format!("{id}_partly"));
        }
    }
    security::describe(&mut document);
    // the document has only values that JSON can represent
    let mut document = json!(document);
    allow_empty_values(&mut document);
    format!("{document:#}")
}

/// Says that query parameters may be empty: HTML forms send empty values, and the API takes them for absent ones. utoipa
/// has no attribute for this.
fn allow_empty_values(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flat_map(|paths| paths.values_mut());
    let operations = items
        .filter_map(Value::as_object_mut)
        .flat_map(|item| item.values_mut());
    let parameters = operations
        .filter_map(|operation| operation.get_mut("parameters")?.as_array_mut())
        .flatten();
    for parameter in parameters.filter_map(Value::as_object_mut) {
        if parameter.get("in").is_some_and(|place| place == "query") {
            parameter.insert("allowEmptyValue".to_owned(), Value::Bool(true));
        }
    }
}

static DESCRIPTION: LazyLock<Asset> = LazyLock::new(|| Asset::json(description()));

pub(super) async fn openapi(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Ok(DESCRIPTION.respond(&request, page::REVALIDATE)?)
}

/// Responds with the page that contains Swagger UI.
pub(super) async fn index(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    respond(&request, Some(&swagger_ui::PAGE))
}

/// Responds with a file of Swagger UI.
pub(super) async fn file(
    request: HttpRequest,
    name: Path<String>,
) -> Result<HttpResponse, ApiError> {
    respond(&request, swagger_ui::file(&name))
}

fn respond(request: &HttpRequest, file: Option<&Asset>) -> Result<HttpResponse, ApiError> {
    let file = file.ok_or(ApiError::NoSuchRoute)?;
    let response = file.respond(request, page::REVALIDATE)?;
    Ok(page::with_policy(response, swagger_ui::CONTENT_POLICY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protection::PROBES;

    #[test]
    fn the_document_is_openapi_3_1_and_every_reference_in_it_resolves() {
        let text = description();
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let references: Vec<_> = text.split("\"$ref\": \"#").skip(1).collect();
        assert!(references.len() > 20, "{}", references.len());
        for reference in references {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }

    #[test]
    fn every_operation_has_a_unique_id() {
        let document: Value = serde_json::from_str(&description()).unwrap();
        let paths = document["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|path| path.as_object().unwrap().values());
        let mut names: Vec<_> = operations
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_operation_says_how_it_is_protected() {
        let document: Value = serde_json::from_str(&description()).unwrap();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let responses = &operation["responses"];
                let is_probe = PROBES.contains(&path.as_str());
                assert_eq!(responses.get("421").is_some(), !is_probe, "{path}");
                let is_unsafe = method != "get";
                // reading may need a token, and then has a 403, too
                assert!(
                    responses.get("403").is_some() || !is_unsafe,
                    "{method} {path}"
                );
            }
        }
    }

    #[test]
    fn query_parameters_may_be_empty_and_others_may_not() {
        let document: Value = serde_json::from_str(&description()).unwrap();
        let jobs = &document["paths"]["/api/v1/todos/ical"]["get"]["parameters"];
        let may_be_empty = |parameter: &Value| parameter["allowEmptyValue"] == true;
        assert_eq!(jobs.as_array().unwrap().len(), 3);
        assert!(jobs.as_array().unwrap().iter().all(may_be_empty), "{jobs}");
        let todo = &document["paths"]["/api/v1/todos/{id}"]["get"]["parameters"];
        assert!(!todo.as_array().unwrap().iter().any(may_be_empty), "{todo}");
    }

    #[test]
    fn the_document_lists_every_status_of_a_job() {
        let document: Value = serde_json::from_str(&description()).unwrap();
        assert_eq!(
            document["components"]["schemas"]["TaskStatus"]["enum"],
            json!([
                "PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"
            ])
        );
    }
}

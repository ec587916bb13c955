//! A todo: read, create, update, delete.

use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::path::TodoPath;
use crate::request::json_body::JsonBody;
use crate::request::openapi;
use crate::request::todo::{NewTodo, TodoChanges};
use crate::response::links::Links;
use crate::response::openapi::problems::{BadBody, BadInput, NotFound, ServerFault, TooMany};
use crate::response::openapi::schemas::DeletedTodo;
use crate::response::problem::ApiError;
use crate::response::todo::TodoView;
use crate::state::Api;
use crate::store::todos;

#[utoipa::path(
    get,
    path = "/api/v1/todos/{id}",
    operation_id = "find_todo",
    tag = "Todos",
    summary = "Read a todo",
    params(
        openapi::TodoPath,
    ),
    responses(
        (status = 200, description = "The todo", body = TodoView),
        NotFound,
        ServerFault,
    ),
)]
pub(super) async fn find(api: Data<Api>, TodoPath(id): TodoPath) -> Result<HttpResponse, ApiError> {
    let todo = api
        .query(move |connection| todos::find(connection, id))
        .await?;
    let todo = todo.ok_or(ApiError::TodoNotFound)?;
    Ok(HttpResponse::Ok().json(TodoView::from(&todo)))
}

#[utoipa::path(
    post,
    path = "/api/v1/todos",
    operation_id = "create_todo",
    tag = "Todos",
    summary = "Create a todo",
    request_body(content = openapi::NewTodo),
    responses(
        (status = 201, description = "The new todo", body = TodoView, headers(("Location" = String))),
        BadInput,
        BadBody,
        TooMany,
        ServerFault,
    ),
)]
pub(super) async fn create(
    request: HttpRequest,
    api: Data<Api>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let new = NewTodo::read(body.required_members()?)?;
    api.limits.usage.check_todo()?;
    let todo = api
        .query(move |connection| todos::insert(connection, &new))
        .await?;
    api.limits.usage.add_todo();
    let url = Links::new(&api.origin, &request).todo(todo.id);
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, url))
        .json(TodoView::from(&todo)))
}

#[utoipa::path(
    method(put, patch),
    path = "/api/v1/todos/{id}",
    operation_id = "update_todo",
    tag = "Todos",
    summary = "Change a todo; absent members stay unchanged",
    params(
        openapi::TodoPath,
    ),
    request_body(content = openapi::TodoChanges),
    responses(
        (status = 200, description = "The changed todo", body = TodoView),
        BadInput,
        BadBody,
        NotFound,
        ServerFault,
    ),
)]
pub(super) async fn update(
    api: Data<Api>,
    TodoPath(id): TodoPath,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let changes = TodoChanges::read(body.required_members()?)?;
    let todo = api
        .query(move |connection| todos::update(connection, id, &changes))
        .await?;
    let todo = todo.ok_or(ApiError::TodoNotFound)?;
    Ok(HttpResponse::Ok().json(TodoView::from(&todo)))
}

/// As in the original, an unknown id is not an error.
#[utoipa::path(
    delete,
    path = "/api/v1/todos/{id}",
    operation_id = "delete_todo",
    tag = "Todos",
    summary = "Delete a todo",
    params(
        openapi::TodoPath,
    ),
    responses(
        (status = 200, description = "The deleted todo, or an empty object", body = DeletedTodo),
        NotFound,
        ServerFault,
    ),
)]
pub(super) async fn delete(
    api: Data<Api>,
    TodoPath(id): TodoPath,
) -> Result<HttpResponse, ApiError> {
    let todo = api
        .query(move |connection| todos::delete(connection, id))
        .await?;
    Ok(match todo {
        Some(todo) => HttpResponse::Ok().json(TodoView::from(&todo)),
        None => HttpResponse::Ok().json(json!({})),
    })
}

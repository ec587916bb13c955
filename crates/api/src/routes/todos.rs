//! The todos.

use std::future::{Ready, ready};

use actix_web::body;
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{ContentType, LINK, LOCATION};
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use shared_model::todo::{Todo, TodoFilter};

use crate::request::json_body::JsonBody;
use crate::request::query::Query;
use crate::request::todo::{NewTodo, TodoChanges};
use crate::response::cursor;
use crate::response::openapi::{self, BadBody, BadInput, NotFound, ServerFault};
use crate::response::problem::ApiError;
use crate::response::todo::TodoView;
use crate::state::Api;
use crate::store::todos::{self, TodoPosition};

/// How many todos are read and held at a time where all are asked for.
const CHUNK_ROWS: u16 = 1000;

/// The id in the path. What is no number is no todo; what is too large for one is no todo either, and the id 0, which
/// none ever has, stands for it.
pub(super) struct TodoId(i32);

impl FromRequest for TodoId {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").unwrap_or_default();
        let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        ready(if is_number {
            Ok(Self(id.parse().unwrap_or(0)))
        } else {
            Err(ApiError::TodoNotFound)
        })
    }
}

#[utoipa::path(
    get,
    path = "/api/v1/todos/{id}",
    operation_id = "find_todo",
    tag = "Todos",
    summary = "One todo",
    params(
        ("id" = usize, Path),
    ),
    responses(
        (status = 200, description = "Done", body = TodoView),
        NotFound,
        ServerFault,
    ),
)]
pub(super) async fn find(api: Data<Api>, TodoId(id): TodoId) -> Result<HttpResponse, ApiError> {
    let todo = api
        .query(move |connection| Ok(todos::find(connection, id)?))
        .await?;
    let todo = todo.ok_or(ApiError::TodoNotFound)?;
    Ok(HttpResponse::Ok().json(TodoView::from(&todo)))
}

#[utoipa::path(
    post,
    path = "/api/v1/todos",
    operation_id = "create_todo",
    tag = "Todos",
    summary = "Add a todo",
    request_body(content = openapi::NewTodo),
    responses(
        (status = 201, description = "Added", body = TodoView, headers(("Location" = String))),
        BadInput,
        BadBody,
        ServerFault,
    ),
)]
pub(super) async fn create(
    request: HttpRequest,
    api: Data<Api>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let new = NewTodo::read(body.required_members()?)?;
    let todo = api
        .query(move |connection| Ok(todos::insert(connection, &new)?))
        .await?;
    let url = api.origin.links(&request).todo(todo.id);
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, url))
        .json(TodoView::from(&todo)))
}

#[utoipa::path(
    method(put, patch),
    path = "/api/v1/todos/{id}",
    operation_id = "update_todo",
    tag = "Todos",
    summary = "Change a todo; what is left out stays",
    params(
        ("id" = usize, Path),
    ),
    request_body(content = openapi::TodoChanges),
    responses(
        (status = 200, description = "Done", body = TodoView),
        BadInput,
        BadBody,
        NotFound,
        ServerFault,
    ),
)]
pub(super) async fn update(
    api: Data<Api>,
    TodoId(id): TodoId,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let changes = TodoChanges::read(body.required_members()?)?;
    let todo = api
        .query(move |connection| Ok(todos::update(connection, id, &changes)?))
        .await?;
    let todo = todo.ok_or(ApiError::TodoNotFound)?;
    Ok(HttpResponse::Ok().json(TodoView::from(&todo)))
}

/// An unknown id is no error, as the original has it.
#[utoipa::path(
    delete,
    path = "/api/v1/todos/{id}",
    operation_id = "delete_todo",
    tag = "Todos",
    summary = "Delete a todo",
    params(
        ("id" = usize, Path),
    ),
    responses(
        (status = 200, description = "Done", body = openapi::DeletedTodo),
        NotFound,
        ServerFault,
    ),
)]
pub(super) async fn delete(api: Data<Api>, TodoId(id): TodoId) -> Result<HttpResponse, ApiError> {
    let todo = api
        .query(move |connection| Ok(todos::delete(connection, id)?))
        .await?;
    Ok(match todo {
        Some(todo) => HttpResponse::Ok().json(TodoView::from(&todo)),
        None => HttpResponse::Ok().json(json!({})),
    })
}

#[utoipa::path(
    get,
    path = "/api/v1/todos",
    operation_id = "list_todos",
    tag = "Todos",
    summary = "Todos, newest first; all of them without a limit",
    params(
        openapi::TodoFilter,
        openapi::Page,
    ),
    responses(
        (
            status = 200,
            description = "Done",
            body = [TodoView],
            headers(("Link" = String, description = "The next page")),
        ),
        BadInput,
        ServerFault,
    ),
)]
pub(super) async fn list(
    request: HttpRequest,
    api: Data<Api>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let filter = query.todo_filter()?;
    let after = query.after(|cursor| {
        let (created_at, id) = cursor::decode(cursor)?;
        Some(TodoPosition {
            created_at: created_at.naive_utc(),
            id,
        })
    })?;
    match query.limit()? {
        Some(limit) => page(&request, &api, filter, after, limit).await,
        None => all(&request, api, filter, after).await,
    }
}

async fn page(
    request: &HttpRequest,
    api: &Api,
    filter: TodoFilter,
    after: Option<TodoPosition>,
    limit: u16,
) -> Result<HttpResponse, ApiError> {
    let TodoFilter { completed, window } = filter;
    // one more tells whether another page follows
    let mut todos = api
        .query(move |connection| Ok(todos::list(connection, &filter, after, limit + 1)?))
        .await?;
    let mut response = HttpResponse::Ok();
    if todos.len() > usize::from(limit) {
        todos.pop();
        let last = todos
            .last()
            .map(|last| cursor::encode(last.created_at.and_utc(), last.id));
        let parameters = [
            ("completed", completed.map(|flag| flag.to_string())),
            ("window", window.map(|days| days.to_string())),
            ("limit", Some(limit.to_string())),
            ("cursor", last),
        ];
        let links = api.origin.links(request);
        response.insert_header((LINK, links.next_page("/todos", &parameters)));
    }
    let todos: Vec<TodoView<'_>> = todos.iter().map(TodoView::from).collect();
    Ok(response.json(todos))
}

/// Every todo that is meant, however many there are. The first rows are read before the answer begins, so that a
/// database that is away is a 503; if it goes away later, the answer breaks off, and no client takes it for whole.
async fn all(
    request: &HttpRequest,
    api: Data<Api>,
    filter: TodoFilter,
    after: Option<TodoPosition>,
) -> Result<HttpResponse, ApiError> {
    let first = read_chunk(&api, filter.clone(), after, b"[").await?;
    let mut response = HttpResponse::Ok();
    response.insert_header(ContentType::json());
    let Some(last) = first.last else {
        return Ok(response.body(first.json));
    };
    if request.method() == Method::HEAD {
        return Ok(response.body(body::None::new()));
    }
    let others = stream::try_unfold(Some(last), move |after| {
        let (api, filter) = (api.clone(), filter.clone());
        async move {
            let Some(after) = after else {
                return Ok(None);
            };
            let chunk = read_chunk(&api, filter, Some(after), b"").await?;
            Ok::<_, ApiError>(Some((chunk.json, chunk.last)))
        }
    });
    let all = stream::iter([Ok(first.json)])
        .chain(others)
        .inspect_err(|error| log::warn!(error:%; "a list of todos broke off"));
    Ok(response.streaming(all))
}

/// A part of a JSON array.
struct Chunk {
    json: Bytes,
    /// The last todo in it, if others follow; else the array is closed.
    last: Option<TodoPosition>,
}

/// Reads the next todos, and writes them where that may take its time.
async fn read_chunk(
    api: &Api,
    filter: TodoFilter,
    after: Option<TodoPosition>,
    opening: &'static [u8],
) -> Result<Chunk, ApiError> {
    api.query(move |connection| {
        let todos = todos::list(connection, &filter, after, CHUNK_ROWS)?;
        let mut json = Vec::from(opening);
        for todo in &todos {
            if json != b"[" {
                json.push(b',');
            }
            write_json(&mut json, todo);
        }
        let is_full = todos.len() == usize::from(CHUNK_ROWS);
        let last = todos.last().filter(|_| is_full).map(TodoPosition::from);
        if last.is_none() {
            json.push(b']');
        }
        Ok(Chunk {
            json: json.into(),
            last,
        })
    })
    .await
}

#[expect(
    clippy::expect_used,
    reason = "a todo's texts and numbers have a JSON form, and memory takes it"
)]
fn write_json(json: &mut Vec<u8>, todo: &Todo) {
    serde_json::to_writer(json, &TodoView::from(todo)).expect("a todo is JSON");
}

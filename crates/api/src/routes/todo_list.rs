//! The list of todos: one page of it, or the whole list as a stream.

use actix_web::body;
use actix_web::http::Method;
use actix_web::http::header::ContentType;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{StreamExt, TryStreamExt, stream};
use shared_model::todo::{Todo, TodoFilter};
use shared_model::trace;

use crate::request::openapi;
use crate::request::query::Query;
use crate::response::cursor;
use crate::response::links::Links;
use crate::response::list_page::ListPage;
use crate::response::openapi::problems::{BadInput, ServerFault};
use crate::response::problem::ApiError;
use crate::response::todo::TodoView;
use crate::state::{Api, QueryError};
use crate::store::todos::{self, TodoPosition};

/// How many todos are read from the database at a time when the whole list is sent.
const CHUNK_ROWS: u16 = 1000;

#[utoipa::path(
    get,
    path = "/api/v1/todos",
    operation_id = "list_todos",
    tag = "Todos",
    summary = "List the todos, newest first (all of them if `limit` is absent)",
    params(
        openapi::TodoFilter,
        openapi::Page,
    ),
    responses(
        (
            status = 200,
            description = "The todos",
            body = [TodoView],
            headers(("Link" = String, description = "The URL of the next page, if there is one")),
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
    let todos = api
        .query(move |connection| todos::list(connection, &filter, after, limit + 1))
        .await?;
    let page = ListPage::new(todos, limit, |last| {
        cursor::encode(last.created_at.and_utc(), last.id)
    });
    let filters = [
        ("completed", completed.map(|flag| flag.to_string())),
        ("window", window.map(|days| days.to_string())),
    ];
    let links = Links::new(&api.origin, request);
    Ok(page.respond(&links, "/todos", filters, TodoView::from))
}

/// Sends all todos that `filter` selects. The first rows are read before the response begins, so that an unavailable
/// database becomes a 503. If the database fails later, the response ends early, without the last chunk that would mark it
/// as complete.
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
            Ok::<_, QueryError>(Some((chunk.json, chunk.last)))
        }
    });
    // the body is sent after the request has been handled
    let trace = trace::current();
    let all = stream::iter([Ok(first.json)])
        .chain(others)
        .inspect_err(move |error| {
            trace::within(
                trace,
                || log::warn!(error:%; "could not send the rest of a list of todos"),
            );
        });
    Ok(response.streaming(all))
}

/// A part of a JSON array.
struct Chunk {
    json: Bytes,
    /// The position of the last todo in it, if more todos follow. Otherwise this part closes the array.
    last: Option<TodoPosition>,
}

/// Reads the next todos and serializes them, on a thread that may block.
async fn read_chunk(
    api: &Api,
    filter: TodoFilter,
    after: Option<TodoPosition>,
    opening: &'static [u8],
) -> Result<Chunk, QueryError> {
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
    reason = "a todo has only values that JSON can represent, and writing to memory does not fail"
)]
fn write_json(json: &mut Vec<u8>, todo: &Todo) {
    serde_json::to_writer(json, &TodoView::from(todo)).expect("a todo has a JSON form");
}

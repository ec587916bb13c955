//! The changes of a job as server-sent events.

use std::convert::Infallible;

use actix_web::http::header::HeaderName;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{Stream, StreamExt, stream};
use shared_model::job::Job;
use tokio::time::Interval;

use super::jobs::find;
use super::path::JobPath;
use crate::background::job_watch::Watching;
use crate::request::openapi;
use crate::response::event_stream::{self, COMMENT};
use crate::response::job::JobView;
use crate::response::links::Links;
use crate::response::openapi::problems::{Expired, NotFound, ServerFault};
use crate::response::problem::ApiError;
use crate::state::Api;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

#[utoipa::path(
    get,
    path = "/api/v1/todos/ical/{id}/events",
    operation_id = "job_events",
    tag = "Calendar jobs",
    summary = "Follow the status of a job until it has ended",
    params(
        openapi::UuidPath,
        ("Last-Event-ID" = Option<i64>, Header, description = "The id of the last event that the client has received. The stream continues after it."),
    ),
    responses(
        (
            status = 200,
            description = "Events with the status of the job: the current one, then one for each change",
            body = JobView,
            content_type = "text/event-stream",
        ),
        (status = 204, description = "`Last-Event-ID` was the last event of the job"),
        NotFound,
        Expired,
        ServerFault,
    ),
)]
pub(super) async fn events(
    request: HttpRequest,
    api: Data<Api>,
    JobPath(id): JobPath,
) -> Result<HttpResponse, ApiError> {
    let job = find(&api, id).await?;
    let seen = request.headers().get(LAST_EVENT_ID);
    let seen: Option<i64> = seen.and_then(|version| version.to_str().ok()?.parse().ok());
    let is_seen = seen == Some(job.version);
    // 204 stops a client from reconnecting after the last event
    if is_seen && job.status.is_terminal() {
        return Ok(HttpResponse::NoContent().finish());
    }
    api.limits.begin_stream(&request)?.assign_to(&request);
    let links = Links::new(&api.origin, &request);
    let first = if is_seen {
        COMMENT
    } else {
        event(&job, &links)
    };
    let source = EventSource {
        watching: api.job_watch.watch(id, job.version + 1),
        comments: event_stream::comments(),
        links,
        api: api.clone(),
        ended: job.status.is_terminal(),
    };
    let first = stream::iter([Ok(first)]);
    Ok(event_stream::respond(
        &request,
        first.chain(changes(source)),
    ))
}

struct EventSource {
    watching: Watching,
    comments: Interval,
    links: Links,
    api: Data<Api>,
    ended: bool,
}

/// Returns the events after the first.
fn changes(source: EventSource) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(source, async |mut source| {
        if source.ended {
            return None;
        }
        let event = tokio::select! {
            job = source.watching.next() => {
                let job = job?;
                source.ended = job.status.is_terminal();
                event(&job, &source.links)
            }
            _ = source.comments.tick() => COMMENT,
            // the client reconnects, to another process
            () = source.api.stopping.cancelled() => return None,
        };
        Some((Ok(event), source))
    })
}

fn event(job: &Job, links: &Links) -> Bytes {
    // the view has only values that JSON can represent
    let data = serde_json::to_string(&JobView::new(job, links)).unwrap_or_default();
    format!("id: {}\ndata: {data}\n\n", job.version).into()
}

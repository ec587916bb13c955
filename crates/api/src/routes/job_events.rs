//! A job's changes as they come: `text/event-stream` (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, HeaderName};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{Stream, StreamExt, stream};
use shared_model::job::Job;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::jobs::find;
use super::path::JobPath;
use crate::background::job_watch::Watching;
use crate::request::openapi;
use crate::response::job::JobView;
use crate::response::links::Links;
use crate::response::openapi::problems::{Expired, NotFound, ServerFault};
use crate::response::problem::ApiError;
use crate::state::Api;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Keeps proxies from collecting events before they pass them on.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// What a client ignores. Sent at once where there is no event yet, so that it sees the connection open.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");
/// Comments at this interval keep proxies from ending a quiet connection.
const COMMENT_INTERVAL: Duration = Duration::from_secs(15);

#[utoipa::path(
    get,
    path = "/api/v1/todos/ical/{id}/events",
    operation_id = "job_events",
    tag = "Calendar jobs",
    summary = "How a job stands, now and at each change, until it has ended",
    params(
        openapi::JobPath,
        ("Last-Event-ID" = Option<i64>, Header, description = "The version that was seen last: it is not sent again"),
    ),
    responses(
        (status = 200, description = "Done", body = JobView, content_type = "text/event-stream"),
        (status = 204, description = "Last-Event-ID was the end"),
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
    // a client that has seen the end would connect again for ever
    if is_seen && job.status.is_terminal() {
        return Ok(HttpResponse::NoContent().finish());
    }
    let links = Links::new(&api.origin, &request);
    let first = if is_seen {
        COMMENT
    } else {
        event(&job, &links)
    };
    let mut comments = interval_at(Instant::now() + COMMENT_INTERVAL, COMMENT_INTERVAL);
    comments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let source = EventSource {
        watching: api.job_watch.watch(id, job.version + 1),
        comments,
        links,
        api: api.clone(),
        ended: job.status.is_terminal(),
    };
    let first = stream::iter([Ok(first)]);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_ACCEL_BUFFERING, "no"))
        .streaming(first.chain(changes(source))))
}

struct EventSource {
    watching: Watching,
    comments: Interval,
    links: Links,
    api: Data<Api>,
    ended: bool,
}

/// What comes after the first.
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
            // the client connects again, to another process
            () = source.api.stopping.cancelled() => return None,
        };
        Some((Ok(event), source))
    })
}

fn event(job: &Job, links: &Links) -> Bytes {
    // a view of plain values can always be written
    let data = serde_json::to_string(&JobView::new(job, links)).unwrap_or_default();
    format!("id: {}\ndata: {data}\n\n", job.version).into()
}

//! A stream of server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::convert::Infallible;
use std::time::Duration;

use actix_web::body;
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, HeaderName};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::Stream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Tells nginx to forward events without buffering.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// A comment, which clients ignore. If there is no event yet, it shows the client that the connection is open.
pub const COMMENT: Bytes = Bytes::from_static(b":\n\n");
/// The interval of comments, which keep proxies from closing a quiet connection.
const COMMENT_INTERVAL: Duration = Duration::from_secs(15);

/// Returns the times of comments.
pub fn comments() -> Interval {
    let mut comments = interval_at(Instant::now() + COMMENT_INTERVAL, COMMENT_INTERVAL);
    comments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    comments
}

/// Responds to `request` with events, or without them to HEAD.
pub fn respond(
    request: &HttpRequest,
    events: impl Stream<Item = Result<Bytes, Infallible>> + 'static,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_ACCEL_BUFFERING, "no"));
    if request.method() == Method::HEAD {
        // the server would read the events all the same
        return response.body(body::None::new());
    }
    response.streaming(events)
}

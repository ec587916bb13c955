//! The middleware around every request: its id, its trace, its log line, its metrics, and the headers of every response.
//!
//! # Layout
//! - `notable`: which requests appear in the log although they did not fail
//! - `paths`: what the log shows of a path
//! - `tracing`: the trace of the request

mod notable;
mod paths;
mod tracing;

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Next;
use shared_model::trace::{self, Span, Trace};

use crate::access::token_name;
use crate::protection::PROBES;
use crate::response::problem::ApiError;
use crate::telemetry::{HTTP_DURATION, HTTP_REFUSED, HTTP_REQUESTS};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The maximum length of a request id that a client chooses.
const REQUEST_ID_MAX_LENGTH: usize = 128;

/// Handles a request with `next`, then records it and adds headers to the response.
///
/// # Errors
/// Returns the error of `next`.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let (trace, span) = tracing::begin(&request);
    trace::scope(Some(trace), observe_in(trace, span, request, next)).await
}

/// Does what [`observe`] does, within the trace of the request and for its span.
async fn observe_in(
    trace: Trace,
    span: Span,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let begun = Instant::now();
    let id = request_id(&request, trace);
    let mut response = next.call(request).await?;

    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CACHE_CONTROL) {
        // responses show the current state, unless they say that they may be cached
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    record(&response, &id, begun.elapsed().as_secs_f64());
    tracing::end(span, &response);
    Ok(response)
}

/// Returns the client's request id if it is safe to log, otherwise the id of the trace.
fn request_id(request: &ServiceRequest, trace: Trace) -> HeaderValue {
    let is_safe = |id: &&HeaderValue| {
        (1..=REQUEST_ID_MAX_LENGTH).contains(&id.len())
            && id.as_bytes().iter().all(|byte| {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=')
            })
    };
    let given = request.headers().get(&X_REQUEST_ID).filter(is_safe);
    given.cloned().unwrap_or_else(|| {
        let id = trace.id().to_uuid().to_string();
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-"))
    })
}

fn record(response: &ServiceResponse<impl MessageBody>, id: &HeaderValue, seconds: f64) {
    let request = response.request();
    let status = response.status();
    // clients choose paths and methods, and must not be able to create metrics without limit
    let route = request
        .match_pattern()
        .unwrap_or_else(|| "unmatched".to_owned());
    let method = known_name(request.method());
    metrics::counter!(HTTP_REQUESTS, "method" => method, "route" => route.clone(), "status" => status.as_str().to_owned())
        .increment(1);
    metrics::histogram!(HTTP_DURATION, "method" => method, "route" => route.clone())
        .record(seconds);

    let error = response.response().error();
    let limit = error.and_then(|error| error.as_error::<ApiError>()?.limit());
    if let Some(limit) = limit {
        metrics::counter!(HTTP_REFUSED, "limit" => limit.name()).increment(1);
    }
    // Probes ask repeatedly while the process starts, so a 503 for them is not a failure. A limit refuses many requests, and
    // must not fill the log.
    let is_failure =
        status.is_server_error() && !PROBES.contains(&route.as_str()) && limit.is_none();
    let level = if is_failure {
        log::Level::Warn
    } else if notable::is_notable(request, &route, status) {
        log::Level::Info
    } else {
        log::Level::Debug
    };
    let error = error.map(ToString::to_string);
    log::log!(
        level,
        "http.method" = request.method().as_str(),
        "http.path":% = paths::loggable(request),
        "http.status" = status.as_u16(),
        "duration_ms" = seconds * 1000.0,
        "auth.token" = token_name(request).unwrap_or_default().as_ref(),
        "request.id" = id.to_str().unwrap_or_default(),
        "error" = error.as_deref().unwrap_or_default();
        "request completed"
    );
}

fn known_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

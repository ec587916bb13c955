//! The trace of a request, and its span.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use shared_model::trace::{Span, TRACEPARENT, Trace, TraceContext};

use super::{known_name, paths};
use crate::access::rules;
use crate::protection::PROBES;

/// The path of the metrics.
const METRICS: &str = "/metrics";

/// Returns the trace that the client names, or a new one, and the span of the request. Probes, metrics and the files of the
/// page have no span: there are many of them, and nobody misses them.
pub(super) fn begin(request: &ServiceRequest) -> (Trace, Span) {
    let named = traceparent(request);
    let path = request.path();
    let span = if PROBES.contains(&path) || path == METRICS || rules::is_static(path) {
        Span::default()
    } else {
        Span::server(known_name(request.method()), named)
    };
    let context = span.context().or(named);
    (context.map_or_else(Trace::begin, Trace::Known), span)
}

/// Ends the span of a request, as its response begins.
pub(super) fn end(mut span: Span, response: &ServiceResponse<impl MessageBody>) {
    if span.context().is_none_or(|context| !context.is_sampled) {
        return;
    }
    let (request, status) = (response.request(), response.status());
    if let Some(route) = request.match_pattern() {
        span.rename(format!("{} {route}", known_name(request.method())));
        span.set("http.route", route);
    }
    span.set("url.path", paths::loggable(request).into_owned());
    span.set("url.scheme", request.connection_info().scheme().to_owned());
    span.set("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.fail(status.canonical_reason().unwrap_or("server error"));
    }
}

/// Returns what the header says, unless it is malformed or there is more than one.
fn traceparent(request: &ServiceRequest) -> Option<TraceContext> {
    let mut headers = request.headers().get_all(TRACEPARENT);
    match (headers.next(), headers.next()) {
        (Some(header), None) => header.to_str().ok()?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_request_belongs_to_the_trace_that_its_client_names() {
        let request = TestRequest::default().insert_header(("Traceparent", TRACE));
        let trace = begin(&request.to_srv_request()).0;
        assert_eq!(trace, Trace::Known(TRACE.parse().unwrap()));
    }

    #[test]
    fn a_request_without_one_valid_traceparent_begins_a_trace() {
        let none = TestRequest::default();
        let malformed = TestRequest::default().insert_header((TRACEPARENT, "00-0-0-01"));
        let two = TestRequest::default()
            .append_header((TRACEPARENT, TRACE))
            .append_header((TRACEPARENT, TRACE));
        for request in [none, malformed, two] {
            let request = request.to_srv_request();
            assert!(matches!(begin(&request).0, Trace::Own(_)));
            assert_ne!(begin(&request).0.id(), begin(&request).0.id());
        }
    }
}

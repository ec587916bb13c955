//! The trace of a request.

use actix_web::dev::ServiceRequest;
use shared_model::trace::{TRACEPARENT, Trace, TraceContext};

/// Returns the trace that the client names, or a new one.
pub(super) fn of_request(request: &ServiceRequest) -> Trace {
    traceparent(request).map_or_else(Trace::begin, Trace::Known)
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
        let trace = of_request(&request.to_srv_request());
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
            assert!(matches!(of_request(&request), Trace::Own(_)));
            assert_ne!(of_request(&request).id(), of_request(&request).id());
        }
    }
}

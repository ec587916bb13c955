//! What a request needs.

use actix_web::http::Method;

use crate::authentication::scope::Action;
use crate::response::links::{API_PREFIX, FEED_PREFIX};

/// The page, its service worker, the page for operators, and Swagger UI.
const STATIC: [&str; 4] = ["/", "/service-worker.js", "/operations", "/docs"];
/// The folders of their files.
const STATIC_FOLDERS: [&str; 2] = ["/assets/", "/docs/"];
/// Paths that need no token: the probes of load balancers.
const OPEN: [&str; 3] = ["/livez", "/readyz", "/startedz"];
/// Paths below the API's that need no token: the health check of the original, the description of the API, and the calls
/// that exchange a token for a session, which check the token themselves.
const OPEN_API: [&str; 4] = [
    "/health",
    "/openapi.json",
    "/session",
    "/operations/session",
];
/// Calls for operators.
const OPERATOR: [&str; 1] = ["/metrics"];
/// The path below the API's of all other calls for operators, which are below it.
const OPERATIONS: &str = "/operations";

/// Returns what a request does, or `None` if it needs no token. A path that is not known here, and so also every path
/// that does not exist, needs one. `path` must be the one that the routes compare with their patterns.
pub fn action(method: &Method, path: &str) -> Option<Action> {
    let is_open = is_static(path)
        || OPEN.contains(&path)
        // the path of a feed's calendar is secret
        || path.starts_with(FEED_PREFIX)
        || path
            .strip_prefix(API_PREFIX)
            .is_some_and(|rest| OPEN_API.contains(&rest));
    if is_open {
        None
    } else if is_for_operators(path) {
        Some(Action::Operate)
    } else if method.is_safe() {
        Some(Action::Read)
    } else {
        Some(Action::Change)
    }
}

/// Returns whether `path` is that of a call for operators, or below one.
fn is_for_operators(path: &str) -> bool {
    let below = path
        .strip_prefix(API_PREFIX)
        .and_then(|rest| rest.strip_prefix(OPERATIONS));
    OPERATOR.contains(&path) || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns whether `path` is that of a file which is the same for everybody, and in memory.
pub fn is_static(path: &str) -> bool {
    STATIC.contains(&path) || STATIC_FOLDERS.iter().any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_paths_are_open_and_no_other_spelling_of_them() {
        for path in [
            "/",
            "/operations",
            "/assets/0123456789ab/js/main.js",
            "/docs/start.js",
            "/calendar/0123.ics",
            "/startedz",
            "/api/v1/health",
            "/api/v1/session",
            "/api/v1/operations/session",
        ] {
            assert_eq!(action(&Method::GET, path), None, "{path}");
        }
        for path in [
            "",
            "//",
            "/assets",
            "/calendar",
            "/health",
            "/api/v1/health/",
            "/api/v1/todos",
            "/api/v1/assets/x",
            "/API/v1/health",
            "/livez/",
            "/operations/",
            "/nowhere",
        ] {
            assert_eq!(action(&Method::GET, path), Some(Action::Read), "{path}");
            assert_eq!(action(&Method::POST, path), Some(Action::Change), "{path}");
        }
    }

    #[test]
    fn every_method_of_an_operators_call_needs_the_operators_scope() {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
            for path in [
                "/metrics",
                "/api/v1/operations",
                "/api/v1/operations/",
                "/api/v1/operations/live",
                "/api/v1/operations/no/such/call",
                "/api/v1/operations/session/",
            ] {
                let needed = action(&method, path);
                assert_eq!(needed, Some(Action::Operate), "{method} {path}");
            }
        }
        let other = action(&Method::GET, "/api/v1/operationsx");
        assert_eq!(other, Some(Action::Read));
    }
}

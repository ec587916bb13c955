//! What a request needs.

use actix_web::http::Method;

use crate::authentication::scope::Action;
use crate::response::links::{API_PREFIX, FEED_PREFIX};

/// Paths that need no token: the page and its service worker, Swagger UI, and the probes of load balancers.
const OPEN: [&str; 5] = ["/", "/service-worker.js", "/docs", "/livez", "/readyz"];
/// Paths below the API's that need no token: the health check of the original, the description of the API, and the call
/// that exchanges a token for a session, which checks the token itself.
const OPEN_API: [&str; 3] = ["/health", "/openapi.json", "/session"];
/// Folders that need no token: the files of the page and of Swagger UI, and the calendars of feeds, whose paths are secret.
const OPEN_FOLDERS: [&str; 3] = ["/assets/", "/docs/", FEED_PREFIX];
/// Calls for operators.
const OPERATOR: [&str; 1] = ["/metrics"];

/// Returns what a request does, or `None` if it needs no token. A path that is not known here, and so also every path
/// that does not exist, needs one. `path` must be the one that the routes compare with their patterns.
pub fn action(method: &Method, path: &str) -> Option<Action> {
    let is_open = OPEN.contains(&path)
        || OPEN_FOLDERS.iter().any(|folder| path.starts_with(folder))
        || path
            .strip_prefix(API_PREFIX)
            .is_some_and(|rest| OPEN_API.contains(&rest));
    if is_open {
        None
    } else if OPERATOR.contains(&path) {
        Some(Action::Operate)
    } else if method.is_safe() {
        Some(Action::Read)
    } else {
        Some(Action::Change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_paths_are_open_and_no_other_spelling_of_them() {
        for path in [
            "/",
            "/assets/0123456789ab/js/main.js",
            "/docs/start.js",
            "/calendar/0123.ics",
            "/api/v1/health",
            "/api/v1/session",
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
            "/nowhere",
        ] {
            assert_eq!(action(&Method::GET, path), Some(Action::Read), "{path}");
            assert_eq!(action(&Method::POST, path), Some(Action::Change), "{path}");
        }
    }

    #[test]
    fn every_method_of_an_operators_call_needs_the_operators_scope() {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
            assert_eq!(
                action(&method, "/metrics"),
                Some(Action::Operate),
                "{method}"
            );
        }
    }
}

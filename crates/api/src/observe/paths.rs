//! What the log shows of a path.

use std::borrow::Cow;

use actix_web::HttpRequest;

use crate::random::SECRET_CHARS;
use crate::response::links::FEED_PREFIX;

/// What the log shows instead of a secret.
const HIDDEN: &str = "***";

/// Returns the path, without the secret if it is that of a feed, and without anything that looks like a secret. The routes
/// decode the path, but a decoded path could forge a log line.
pub(super) fn loggable(request: &HttpRequest) -> Cow<'_, str> {
    if request.match_info().as_str().starts_with(FEED_PREFIX) {
        FEED_PREFIX.into()
    } else {
        without_secrets(request.path())
    }
}

/// Hides as many hexadecimal digits as a secret has, for example in a mistyped address of a feed.
fn without_secrets(path: &str) -> Cow<'_, str> {
    let is_other = |character: char| !character.is_ascii_hexdigit();
    let is_secret = |digits: &str| digits.len() >= SECRET_CHARS;
    if !path.split(is_other).any(is_secret) {
        return path.into();
    }
    let parts = path.split_inclusive(is_other).map(|part| {
        let digits = part.trim_end_matches(is_other);
        if is_secret(digits) {
            part.replace(digits, HIDDEN)
        } else {
            part.to_owned()
        }
    });
    parts.collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_feeds_secret_is_not_logged_however_its_path_is_written() {
        let token = "0123abcd".repeat(9);
        for (path, logged) in [
            ("/calendar/0123abc.ics", "/calendar/"),
            ("/%63alendar/0123abc.ics", "/calendar/"),
            ("/api/v1/calendar/feeds", "/api/v1/calendar/feeds"),
            ("/a%0Ab", "/a%0Ab"),
            ("//calendar/TOKEN.ics", "//calendar/***.ics"),
            ("/Calendar/TOKEN.ics", "/Calendar/***.ics"),
            ("/calendar%2fTOKEN.ics", "/calendar%***.ics"),
            ("/x/TOKEN/TOKEN", "/x/***/***"),
            (
                "/api/v1/todos/ical/0197f3a2-0000-7000-8000-000000000000",
                "/api/v1/todos/ical/0197f3a2-0000-7000-8000-000000000000",
            ),
        ] {
            let request = TestRequest::with_uri(&path.replace("TOKEN", &token)).to_http_request();
            assert_eq!(loggable(&request), logged, "{path}");
        }
    }
}

//! The absolute URLs in responses.

use actix_web::HttpRequest;
use shared_model::job::JobId;
use uuid::Uuid;

use crate::feed_token::FeedToken;
use crate::request::origin::Origin;

/// The start of every path of the API.
pub const API_PREFIX: &str = "/api/v1";

/// The start of every feed's path. The rest of such a path is secret.
pub const FEED_PREFIX: &str = "/calendar/";

/// The API's URLs, as one client can follow them.
#[derive(Debug, Clone)]
pub struct Links {
    base_url: String,
}

impl Links {
    /// Returns the URLs for the client that sent `request`.
    pub fn new(origin: &Origin, request: &HttpRequest) -> Self {
        Self {
            base_url: origin.base_url(request),
        }
    }

    /// Returns the URL of a todo.
    pub fn todo(&self, id: i32) -> String {
        format!("{}{API_PREFIX}/todos/{id}", self.base_url)
    }

    /// Returns the URL of a job's status.
    pub fn job_status(&self, id: JobId) -> String {
        format!("{}{API_PREFIX}/todos/ical/{id}/status", self.base_url)
    }

    /// Returns the URL of a job's result.
    pub fn job_result(&self, id: JobId) -> String {
        format!("{}{API_PREFIX}/todos/ical/{id}/result", self.base_url)
    }

    /// Returns the URL at which a feed's owner manages it.
    pub fn feed_resource(&self, id: Uuid) -> String {
        format!("{}{API_PREFIX}/calendar/feeds/{id}", self.base_url)
    }

    /// Returns the secret URL at which calendar programs subscribe to a feed.
    pub fn feed(&self, token: &FeedToken) -> String {
        format!("{}{FEED_PREFIX}{token}.ics", self.base_url)
    }

    /// Returns the value of the `Link` header for the next page of a list. Parameter values are not escaped: numbers,
    /// words and cursors need no escapes.
    pub fn next_page(&self, path: &str, parameters: &[(&str, Option<String>)]) -> String {
        let mut url = format!("{}{API_PREFIX}{path}", self.base_url);
        let mut separator = '?';
        for (name, value) in parameters {
            if let Some(value) = value {
                url.push(separator);
                url.push_str(name);
                url.push('=');
                url.push_str(value);
                separator = '&';
            }
        }
        format!("<{url}>; rel=\"next\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_keeps_the_parameters_of_the_request() {
        let links = Links {
            base_url: "http://a".into(),
        };
        let parameters = [
            ("completed", Some("true".into())),
            ("window", None),
            ("cursor", Some("1.2".into())),
        ];
        assert_eq!(
            links.next_page("/todos", &parameters),
            "<http://a/api/v1/todos?completed=true&cursor=1.2>; rel=\"next\""
        );
    }
}

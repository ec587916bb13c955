//! The hosts that a request names.

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderValue, X_FORWARDED_HOST};

/// Returns the host that the request is for, as its sender wrote it. A host in the target of the request counts instead
/// of the header (<https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2>). An HTTP/1.0 request may have neither.
pub(super) fn requested(request: &HttpRequest) -> Option<&str> {
    match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get(HOST).map(text),
    }
}

/// Returns the hosts that proxies say they were asked for. Each proxy appends its own, so the first one is that of the
/// client.
pub(super) fn forwarded(request: &HttpRequest) -> impl Iterator<Item = &str> {
    let lists = request.headers().get_all(X_FORWARDED_HOST).map(text);
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

/// Returns the host that the client used.
pub(super) fn of_client(request: &HttpRequest, trust_proxy: bool) -> Option<&str> {
    let forwarded = trust_proxy.then(|| forwarded(request).next()).flatten();
    forwarded.or_else(|| requested(request))
}

/// Returns the text of a header, or an empty text, which is not a host either.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

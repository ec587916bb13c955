//! The web page, the page for operators, and Swagger UI. The binary embeds their files, which the build script has
//! minified and compressed.
//!
//! All files except the pages themselves and the service worker are served under a path that contains the version of the
//! page. A browser can therefore cache them forever and never mixes two versions. The service worker caches a complete
//! version of the web page, which lets it open offline. The page for operators needs the server.

mod asset;
mod embedded;
pub(crate) mod swagger_ui;

pub(crate) use asset::Asset;

use actix_web::http::header::{CONTENT_SECURITY_POLICY, ETAG, HeaderValue, REFERRER_POLICY};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};

use crate::response::problem::ApiError;
use embedded::{FILES, INDEX, OPERATIONS, SERVICE_WORKER, VERSION};

/// Allows only our own files, no inline scripts or styles, and no HTML made from strings, so that the text of a todo is
/// never treated as markup.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types service-worker";
/// For files without a version in their path: the browser revalidates them each time, and usually gets a 304.
pub(crate) const REVALIDATE: &str = "no-cache";
/// For files with a version in their path: they never change.
const FOREVER: &str = "max-age=31536000, immutable";

/// Adds the policy headers to a response. Only documents and workers need them.
pub(crate) fn with_policy(mut response: HttpResponse, policy: &'static str) -> HttpResponse {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Returns the page.
///
/// # Errors
/// Returns an error if the client accepts neither gzip nor identity encoding.
pub(crate) async fn index(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let page = INDEX.respond(&request, REVALIDATE)?;
    Ok(with_policy(page, CONTENT_POLICY))
}

/// Returns the page for operators. It needs no token, but the calls that it makes do.
///
/// # Errors
/// Returns an error if the client accepts neither gzip nor identity encoding.
pub(crate) async fn operations(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let page = OPERATIONS.respond(&request, REVALIDATE)?;
    Ok(with_policy(page, CONTENT_POLICY))
}

/// Returns the script that lets the page open offline. Its path must be next to the page's, because a service worker
/// controls only what is at or below its own path.
///
/// # Errors
/// Returns an error if the client accepts neither gzip nor identity encoding.
pub(crate) async fn service_worker(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let script = SERVICE_WORKER.respond(&request, REVALIDATE)?;
    Ok(with_policy(script, CONTENT_POLICY))
}

/// Returns a file of one of the pages.
///
/// # Errors
/// Returns an error if no file has this name and version, or if the client accepts neither gzip nor identity encoding.
pub(crate) async fn asset(
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (version, name) = path.into_inner();
    let file = find(&FILES, &name).filter(|_| version == VERSION);
    let file = file.ok_or(ApiError::NoSuchRoute)?;
    let mut response = file.respond(&request, FOREVER)?;
    // not needed, because the path contains the version; about thirty responses get shorter
    response.headers_mut().remove(ETAG);
    Ok(response)
}

fn find(files: &'static [(&str, Asset)], name: &str) -> Option<&'static Asset> {
    let (_, file) = files.iter().find(|(known, _)| *known == name)?;
    Some(file)
}

//! The web page: its files are embedded in the binary, and compressed once when the first of them is requested.
//!
//! All files except the page itself and the service worker are served under a path that contains the version of the
//! page. A browser can therefore cache them forever and never mixes two versions. The service worker caches a complete
//! version, which lets the page open offline.

mod files;
mod minify;
pub(crate) mod swagger_ui;
mod version;

use std::io::Write as _;
use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentEncoding, ETAG, EntityTag, HeaderValue,
    REFERRER_POLICY, VARY,
};
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::response::download::{ClientCopies, Coding};
use crate::response::problem::ApiError;
use version::PageVersion;

/// Allows only our own files, no inline scripts or styles, and no HTML made from strings, so that the text of a todo is
/// never treated as markup.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types service-worker";
/// For files without a version in their path: the browser revalidates them each time, and usually gets a 304.
pub(crate) const REVALIDATE: &str = "no-cache";
/// For files with a version in their path: they never change.
const FOREVER: &str = "max-age=31536000, immutable";

/// The media type of a script. It needs no charset: modules are always UTF-8.
const SCRIPT: &str = "text/javascript";
/// The length of an `ETag` in hexadecimal digits: 64 bits.
const ETAG_LENGTH: usize = 16;

static PAGE: LazyLock<PageVersion> = LazyLock::new(PageVersion::prepare);

/// A file that can be served with or without compression.
#[derive(Debug)]
pub(crate) struct Asset {
    content_type: &'static str,
    plain: Encoded,
    gzip: Encoded,
}

/// The bytes of a file in one content coding.
#[derive(Debug)]
struct Encoded {
    bytes: Bytes,
    etag: String,
}

impl Encoded {
    fn new(bytes: Bytes) -> Self {
        let mut etag = sha256_hex(&bytes);
        etag.truncate(ETAG_LENGTH);
        Self { bytes, etag }
    }
}

impl Asset {
    /// Compresses `bytes`. The media type follows from the extension of `name`.
    pub(crate) fn new(name: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let gzip = gzip(&bytes);
        Self {
            content_type: content_type(name),
            plain: Encoded::new(bytes),
            gzip: Encoded::new(gzip.into()),
        }
    }

    /// Returns the response to `request`, in the content coding that the client prefers.
    ///
    /// # Errors
    /// Returns an error if the client accepts neither gzip nor identity encoding.
    pub(crate) fn respond(
        &self,
        request: &HttpRequest,
        cache_control: &'static str,
    ) -> Result<HttpResponse, ApiError> {
        let coding = Coding::negotiate(request)?;
        let encoded = match coding {
            Coding::Gzip => &self.gzip,
            Coding::Identity => &self.plain,
        };
        let etag = EntityTag::new_strong(encoded.etag.clone());
        let is_cached = ClientCopies::of(request).include(&etag);
        let mut response = HttpResponse::Ok();
        response
            .insert_header((ETAG, etag))
            .insert_header((VARY, "Accept-Encoding"))
            .insert_header((CACHE_CONTROL, cache_control));
        if is_cached {
            return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
        }
        if coding == Coding::Gzip {
            response.insert_header(ContentEncoding::Gzip);
        }
        Ok(response
            .content_type(self.content_type)
            .body(encoded.bytes.clone()))
    }
}

#[expect(clippy::expect_used, reason = "writing to memory does not fail")]
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("writes to memory");
    encoder.finish().expect("writes to memory")
}

/// Adds the policy headers to a response. Only documents and workers need them.
pub(crate) fn with_policy(mut response: HttpResponse, policy: &'static str) -> HttpResponse {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => SCRIPT,
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

/// Returns the page.
///
/// # Errors
/// Returns an error if the client accepts neither gzip nor identity encoding.
pub(crate) async fn index(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let page = PAGE.index.respond(&request, REVALIDATE)?;
    Ok(with_policy(page, CONTENT_POLICY))
}

/// Returns the script that makes the page open without a network. Its path must be next to the page's, because a
/// service worker controls only what is at or below its own path.
///
/// # Errors
/// Returns an error if the client accepts neither gzip nor identity encoding.
pub(crate) async fn service_worker(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let script = PAGE.service_worker.respond(&request, REVALIDATE)?;
    Ok(with_policy(script, CONTENT_POLICY))
}

/// Returns a file of the page.
///
/// # Errors
/// Returns an error if no file has this name and version, or if the client accepts neither gzip nor identity encoding.
pub(crate) async fn asset(
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (version, name) = path.into_inner();
    let file = PAGE.files.get(name.as_str());
    let file = file.filter(|_| version == PAGE.version);
    let file = file.ok_or(ApiError::NoSuchRoute)?;
    let mut response = file.respond(&request, FOREVER)?;
    // the path already contains the version, and a first visit loads about thirty files
    response.headers_mut().remove(ETAG);
    Ok(response)
}

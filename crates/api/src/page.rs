//! The page in the browser: its files, embedded in the binary and gzipped once.
//!
//! All but the page itself are under a path that names their version, so that a browser may keep them for ever and
//! never mixes two versions. The service worker keeps one version whole; that is how the page opens offline.

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

/// Nothing but our own files, no inline scripts or styles, no HTML from text: what a todo says is never markup.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types service-worker";
/// What has no version in its path is asked for again each time, at the cost of a 304.
pub(crate) const ASK_AGAIN: &str = "no-cache";
/// What has one never changes.
const FOR_EVER: &str = "max-age=31536000, immutable";

/// The type of a script. Modules are UTF-8 whatever is said.
const SCRIPT: &str = "text/javascript";
/// Hexadecimal digits of an `ETag`: 64 bits.
const ETAG_LENGTH: usize = 16;

static PAGE: LazyLock<PageVersion> = LazyLock::new(PageVersion::prepare);

/// A file as it is sent.
#[derive(Debug)]
pub(crate) struct Asset {
    content_type: &'static str,
    plain: Encoded,
    gzip: Encoded,
}

/// The bytes of a file in one coding.
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
    /// Gzips `bytes`; what they are shows in the ending of `name`.
    pub(crate) fn new(name: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let gzip = gzip(&bytes);
        Self {
            content_type: content_type(name),
            plain: Encoded::new(bytes),
            gzip: Encoded::new(gzip.into()),
        }
    }

    /// The answer to `request`, in the coding that the client likes best.
    ///
    /// # Errors
    /// When the client refuses both.
    pub(crate) fn answer(
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
        let is_known = ClientCopies::of(request).include(&etag);
        let mut response = HttpResponse::Ok();
        response
            .insert_header((ETAG, etag))
            .insert_header((VARY, "Accept-Encoding"))
            .insert_header((CACHE_CONTROL, cache_control));
        if is_known {
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

#[expect(clippy::expect_used, reason = "memory takes what is written to it")]
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("written to memory");
    encoder.finish().expect("written to memory")
}

/// Gives a document or a worker its policy; other files have no use for one.
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

/// The page.
///
/// # Errors
/// When the client takes no coding that there is.
pub(crate) async fn index(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let page = PAGE.index.answer(&request, ASK_AGAIN)?;
    Ok(with_policy(page, CONTENT_POLICY))
}

/// The script that keeps the page for when there is no network. It must be beside the page: a service worker serves
/// only what is at or below its own path.
///
/// # Errors
/// When the client takes no coding that there is.
pub(crate) async fn service_worker(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let script = PAGE.service_worker.answer(&request, ASK_AGAIN)?;
    Ok(with_policy(script, CONTENT_POLICY))
}

/// A file of the page. One of another version is not here.
///
/// # Errors
/// When there is no such file.
pub(crate) async fn asset(
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (version, name) = path.into_inner();
    let file = PAGE.files.get(name.as_str());
    let file = file.filter(|_| version == PAGE.version);
    let file = file.ok_or(ApiError::NoSuchRoute)?;
    let mut answer = file.answer(&request, FOR_EVER)?;
    // the path names the version already, and a first visit has some thirty files
    answer.headers_mut().remove(ETAG);
    Ok(answer)
}

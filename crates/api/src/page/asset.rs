//! A file that is compressed once and then served from memory.

use std::io::Write as _;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentEncoding, ETAG, EntityTag, VARY};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::response::download::{ClientCopies, Coding, NotAcceptable};

/// The media type of a script. It needs no charset: modules are always UTF-8.
pub(super) const SCRIPT: &str = "text/javascript";
/// The length of an `ETag` in hexadecimal digits: 64 bits.
const ETAG_LENGTH: usize = 16;

/// A file that can be served with or without compression.
#[derive(Debug)]
pub(crate) struct Asset {
    content_type: &'static str,
    pub(super) plain: Encoded,
    pub(super) gzip: Encoded,
}

/// The bytes of a file in one content coding.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) bytes: Bytes,
    pub(super) etag: String,
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
    ) -> Result<HttpResponse, NotAcceptable> {
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

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub(super) fn content_type(name: &str) -> &'static str {
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

//! A file that is compressed once, when the program is built or when it is first requested, and then served without further work.

use std::borrow::Cow;
use std::io::Write as _;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentEncoding, ETAG, EntityTag, VARY};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::response::download::{ClientCopies, Coding, NotAcceptable};

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
    pub(super) etag: Cow<'static, str>,
}

impl Encoded {
    const fn embedded((bytes, etag): (&'static [u8], &'static str)) -> Self {
        Self {
            bytes: Bytes::from_static(bytes),
            etag: Cow::Borrowed(etag),
        }
    }

    fn new(bytes: Vec<u8>) -> Self {
        Self {
            etag: etag(&bytes).into(),
            bytes: bytes.into(),
        }
    }
}

impl Asset {
    /// Returns a file that the build script has compressed. Each form comes with its `ETag`.
    pub(super) const fn embedded(
        content_type: &'static str,
        plain: (&'static [u8], &'static str),
        gzip: (&'static [u8], &'static str),
    ) -> Self {
        Self {
            content_type,
            plain: Encoded::embedded(plain),
            gzip: Encoded::embedded(gzip),
        }
    }

    /// Compresses a JSON document that is known only when the process runs.
    pub(crate) fn json(document: String) -> Self {
        Self {
            content_type: "application/json",
            gzip: Encoded::new(gzip(document.as_bytes())),
            plain: Encoded::new(document.into_bytes()),
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
        let etag = EntityTag::new_strong(encoded.etag.to_string());
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

pub(super) fn etag(bytes: &[u8]) -> String {
    let mut etag = hex::encode(Sha256::digest(bytes));
    etag.truncate(ETAG_LENGTH);
    etag
}

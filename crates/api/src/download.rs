//! A result on its way to a client: in which coding, under which `ETag`, and as which bytes.

use std::fmt::Write;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{self, BodySize, MessageBody, SizedStream};
use actix_web::http::header::{
    AcceptEncoding, ContentEncoding, Encoding, EntityTag, Header, IfNoneMatch, Preference, Quality,
};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder};
use flate2::read::GzDecoder;
use futures_util::stream;
use shared_model::results::ResultSummary;

use crate::problem::ApiError;

/// How much is decompressed at a time: it takes well under a millisecond of a thread that others wait for.
const CHUNK_BYTES: usize = 64 * 1024;

/// How the bytes of a result are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As they are stored.
    Gzip,
    /// Decompressed.
    Identity,
}

impl Coding {
    /// The one that the client likes best; gzipped of two that it likes alike, as it is stored so
    /// (<https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3>).
    ///
    /// # Errors
    /// When the client refuses both.
    pub fn negotiate(request: &HttpRequest) -> Result<Self, ApiError> {
        let AcceptEncoding(accepted) =
            AcceptEncoding::parse(request).unwrap_or(AcceptEncoding(Vec::new()));
        let quality_of = |coding: &Encoding| {
            let named = accepted
                .iter()
                .find(|item| matches!(&item.item, Preference::Specific(named) if named == coding));
            let any = || accepted.iter().find(|item| item.item == Preference::Any);
            named.or_else(any).map(|item| item.quality)
        };
        // who names no codings gets none; as it is can always be sent, unless it is refused
        let gzip = quality_of(&Encoding::gzip()).unwrap_or(Quality::ZERO);
        let identity = quality_of(&Encoding::identity());
        if gzip > Quality::ZERO && identity.is_none_or(|identity| gzip >= identity) {
            Ok(Self::Gzip)
        } else if identity == Some(Quality::ZERO) {
            Err(ApiError::NotAcceptable)
        } else {
            Ok(Self::Identity)
        }
    }

    /// The `ETag` of a result in this coding: the SHA-256 of the bytes that are sent.
    pub fn etag(self, result: &ResultSummary) -> EntityTag {
        let sha256 = match self {
            Self::Gzip => &result.gzip_sha256,
            Self::Identity => &result.sha256,
        };
        let mut hex = String::with_capacity(2 * sha256.len());
        for byte in sha256 {
            // writing to a String can't fail
            let _ = write!(hex, "{byte:02x}");
        }
        EntityTag::new_strong(hex)
    }
}

/// What the client has already, by its `If-None-Match`.
#[derive(Debug)]
pub struct ClientCopies(Option<IfNoneMatch>);

impl ClientCopies {
    /// As `request` says.
    pub fn of(request: &HttpRequest) -> Self {
        Self(request.get_header())
    }

    /// Whether what `etag` names is among them.
    pub fn include(&self, etag: &EntityTag) -> bool {
        match &self.0 {
            Some(IfNoneMatch::Any) => true,
            Some(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(etag)),
            None => false,
        }
    }
}

/// Finishes the answer with a calendar: gzipped as it is stored, or decompressed while it is sent. Without `content`
/// only the headers are wanted.
pub fn calendar_body(
    response: &mut HttpResponseBuilder,
    coding: Coding,
    result: &ResultSummary,
    content: Option<Vec<u8>>,
) -> HttpResponse {
    response.content_type("text/calendar; charset=utf-8");
    if coding == Coding::Gzip {
        response.insert_header(ContentEncoding::Gzip);
    }
    let length = result.byte_length.unsigned_abs();
    match (content, coding) {
        (Some(content), Coding::Gzip) => response.body(content),
        (Some(content), Coding::Identity) => response.body(Decompressed::new(content, length)),
        (None, Coding::Gzip) => response.body(body::None::new()),
        (None, Coding::Identity) => {
            let nothing = stream::empty::<Result<Bytes, ApiError>>();
            response.body(SizedStream::new(length, nothing))
        }
    }
}

/// A stored result, decompressed while it is sent.
#[derive(Debug)]
pub struct Decompressed {
    decoder: GzDecoder<io::Cursor<Vec<u8>>>,
    length: u64,
}

impl Decompressed {
    /// Of `content`, which decompresses to `length` bytes.
    pub fn new(content: Vec<u8>, length: u64) -> Self {
        Self {
            decoder: GzDecoder::new(io::Cursor::new(content)),
            length,
        }
    }
}

impl MessageBody for Decompressed {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let limit = u64::try_from(CHUNK_BYTES).unwrap_or(u64::MAX);
        let read = self.decoder.by_ref().take(limit).read_to_end(&mut chunk);
        Poll::Ready(match read {
            Ok(0) => None,
            Ok(_) => Some(Ok(chunk.into())),
            Err(error) => Some(Err(error)),
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn negotiate(accepted: &str) -> Option<Coding> {
        let request = TestRequest::default().insert_header(("Accept-Encoding", accepted));
        Coding::negotiate(&request.to_http_request()).ok()
    }

    #[test]
    fn the_client_chooses_the_coding() {
        for accepted in [
            "gzip",
            "gzip, deflate",
            "br, gzip;q=0.1",
            "*",
            "gzip;q=0.5, identity;q=0.5",
            "identity;q=0, *",
            "deflate, *;q=0.1",
            "GZIP",
            "identity;q=0, gzip;q=0.001",
            "gzip;q=1.0,*;q=0",
        ] {
            assert_eq!(negotiate(accepted), Some(Coding::Gzip), "{accepted}");
        }
        for accepted in [
            "",
            "identity",
            "br",
            "deflate, br",
            "gzip;q=0",
            "gzip;q=0, *",
            "gzip;q=0.5, identity",
            "gzip;q=0.000",
            "!!, ;;",
        ] {
            assert_eq!(negotiate(accepted), Some(Coding::Identity), "{accepted}");
        }
        for accepted in [
            "identity;q=0",
            "*;q=0",
            "gzip;q=0, *;q=0",
            "gzip;q=0, identity;q=0",
            "br, identity;q=0",
        ] {
            assert_eq!(negotiate(accepted), None, "{accepted}");
        }
        let silent = TestRequest::default().to_http_request();
        assert_eq!(Coding::negotiate(&silent).unwrap(), Coding::Identity);
    }

    #[test]
    fn what_the_client_has_is_recognised() {
        let etag = EntityTag::new_strong("3".into());
        let knows = |tags: &str| {
            let request = TestRequest::default().insert_header(("If-None-Match", tags));
            ClientCopies::of(&request.to_http_request()).include(&etag)
        };
        for tags in [
            "\"3\"",
            "W/\"3\"",
            "*",
            "\"2\", \"3\"",
            "\"a\",W/\"3\" , \"b\"",
        ] {
            assert!(knows(tags), "{tags}");
        }
        for tags in ["", "3", "\"33\"", "\"2\"", "W/\"2\", \"4\"", "\"*\""] {
            assert!(!knows(tags), "{tags}");
        }
        assert!(!ClientCopies::of(&TestRequest::default().to_http_request()).include(&etag));
    }
}

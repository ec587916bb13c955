//! The response body of a calendar: its content coding, its `ETag` and its length.

use std::io;

use actix_web::body::SizedStream;
use actix_web::http::header::{
    AcceptEncoding, ContentEncoding, Encoding, EntityTag, Header, IfNoneMatch, Preference, Quality,
};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::{Stream, TryStreamExt, stream};
use shared_model::results::ResultSummary;
use shared_model::trace;

use crate::response::stored_calendar::{self, ReadError};

/// The content coding of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// The bytes as they are stored.
    Gzip,
    /// The decompressed bytes.
    Identity,
}

/// The client accepts neither gzip nor identity encoding.
#[derive(Debug, thiserror::Error)]
#[error("the client accepts neither gzip nor identity encoding")]
pub struct NotAcceptable;

impl Coding {
    /// Returns the coding that the client prefers (<https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3>). Without a
    /// preference between the two it is gzip, because results are stored in that form.
    ///
    /// # Errors
    /// Returns an error if the client accepts neither.
    pub fn negotiate(request: &HttpRequest) -> Result<Self, NotAcceptable> {
        let AcceptEncoding(accepted) =
            AcceptEncoding::parse(request).unwrap_or(AcceptEncoding(Vec::new()));
        let quality_of = |coding: &Encoding| {
            let named = accepted
                .iter()
                .find(|item| matches!(&item.item, Preference::Specific(named) if named == coding));
            let any = || accepted.iter().find(|item| item.item == Preference::Any);
            named.or_else(any).map(|item| item.quality)
        };
        // without Accept-Encoding, send identity; identity is always acceptable unless the client excludes it
        let gzip = quality_of(&Encoding::gzip()).unwrap_or(Quality::ZERO);
        let identity = quality_of(&Encoding::identity());
        if gzip > Quality::ZERO && identity.is_none_or(|identity| gzip >= identity) {
            Ok(Self::Gzip)
        } else if identity == Some(Quality::ZERO) {
            Err(NotAcceptable)
        } else {
            Ok(Self::Identity)
        }
    }

    /// Returns the `ETag` of a result in this coding: the SHA-256 of the bytes that are sent.
    pub fn etag(self, result: &ResultSummary) -> EntityTag {
        let sha256 = match self {
            Self::Gzip => &result.gzip_sha256,
            Self::Identity => &result.sha256,
        };
        EntityTag::new_strong(hex::encode(sha256))
    }
}

/// The copies that the client has, according to `If-None-Match`.
#[derive(Debug)]
pub struct ClientCopies(Option<IfNoneMatch>);

impl ClientCopies {
    /// Reads the header of `request`.
    pub fn of(request: &HttpRequest) -> Self {
        Self(request.get_header())
    }

    /// Returns whether the client has the copy with this `ETag`.
    pub fn include(&self, etag: &EntityTag) -> bool {
        match &self.0 {
            Some(IfNoneMatch::Any) => true,
            Some(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(etag)),
            None => false,
        }
    }
}

/// Completes a response with a calendar, which is decompressed while it is sent if `coding` is identity. `parts` are the
/// parts of the gzipped calendar; `None` means that the client asked only for the headers.
pub fn calendar_body(
    response: &mut HttpResponseBuilder,
    coding: Coding,
    result: &ResultSummary,
    parts: Option<impl Stream<Item = Result<Bytes, ReadError>> + 'static>,
) -> HttpResponse {
    response.content_type("text/calendar; charset=utf-8");
    let length = match coding {
        Coding::Gzip => {
            response.insert_header(ContentEncoding::Gzip);
            u64::from(result.gzip_length.unsigned_abs())
        }
        Coding::Identity => result.byte_length.unsigned_abs(),
    };
    let Some(parts) = parts else {
        let nothing = stream::empty::<io::Result<Bytes>>();
        return response.body(SizedStream::new(length, nothing));
    };
    // the body is sent after the request has been handled
    let trace = trace::current();
    let parts = parts.inspect_err(move |error| {
        trace::within(
            trace,
            || log::warn!(error:%; "could not send the rest of a calendar"),
        );
    });
    match coding {
        Coding::Gzip => response.body(SizedStream::new(length, parts)),
        Coding::Identity => response.body(SizedStream::new(
            length,
            stored_calendar::decompressed(parts),
        )),
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
    fn the_client_chooses_the_content_coding() {
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
        let without_header = TestRequest::default().to_http_request();
        assert_eq!(
            Coding::negotiate(&without_header).unwrap(),
            Coding::Identity
        );
    }

    #[test]
    fn if_none_match_lists_the_copies_that_the_client_has() {
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

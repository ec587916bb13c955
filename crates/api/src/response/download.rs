//! A result on its way to a client: in which coding, under which `ETag`, and how long.

use std::io;

use actix_web::body::SizedStream;
use actix_web::http::header::{
    AcceptEncoding, ContentEncoding, Encoding, EntityTag, Header, IfNoneMatch, Preference, Quality,
};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::{Stream, TryStreamExt, stream};
use shared_model::results::ResultSummary;

use crate::response::stored_calendar::{self, ReadError};

/// How the bytes of a result are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As they are stored.
    Gzip,
    /// Decompressed.
    Identity,
}

/// The client accepts neither of the codings.
#[derive(Debug, thiserror::Error)]
#[error("the client accepts neither gzip nor identity encoding")]
pub struct NotAcceptable;

impl Coding {
    /// The one that the client likes best; gzipped of two that it likes alike, as it is stored so
    /// (<https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3>).
    ///
    /// # Errors
    /// When the client refuses both.
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
        // who names no codings gets none; as it is can always be sent, unless it is refused
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

    /// The `ETag` of a result in this coding: the SHA-256 of the bytes that are sent.
    pub fn etag(self, result: &ResultSummary) -> EntityTag {
        let sha256 = match self {
            Self::Gzip => &result.gzip_sha256,
            Self::Identity => &result.sha256,
        };
        EntityTag::new_strong(hex::encode(sha256))
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

/// Finishes the answer with a calendar: gzipped as it is stored, or decompressed while it is sent. `parts` are the
/// gzipped calendar's; without them only the headers are wanted.
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
    let parts = parts.inspect_err(|error| log::warn!(error:%; "a calendar broke off"));
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

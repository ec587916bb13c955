//! A request's body: a JSON object, or nothing.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_ENCODING;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::TryStreamExt;
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use crate::request::members::Members;

/// The longest body, in bytes. A todo of the longest texts, every character escaped, needs a tenth of it.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long a body may take: a phone sends the longest in a second.
const READ_TIMEOUT: Duration = Duration::from_secs(15);

/// A request body was refused.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is longer than this many bytes.
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    /// The body did not arrive in time.
    #[error("the body did not come in time")]
    TooSlow,
    /// The request's headers say that the body is compressed or is not JSON.
    #[error("the body must be JSON, uncompressed, with Content-Type: application/json")]
    UnsupportedType,
    /// The body can't be read or is not a JSON object. The text says why.
    #[error("{0}")]
    Malformed(String),
}

/// The body of a request: at most [`MAX_BODY_BYTES`] long, and JSON according to its headers if it is not empty.
#[derive(Debug)]
pub struct JsonBody(Bytes);

impl FromRequest for JsonBody {
    type Error = BodyError;
    type Future = LocalBoxFuture<'static, Result<Self, BodyError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = is_json(request);
        let payload = payload.take();
        Box::pin(async move {
            let body = tokio::time::timeout(READ_TIMEOUT, read(payload))
                .await
                .unwrap_or(Err(BodyError::TooSlow))?;
            if body.is_empty() || is_json {
                Ok(Self(body))
            } else {
                Err(BodyError::UnsupportedType)
            }
        })
    }
}

impl JsonBody {
    /// The object's members; `None` if there is no body.
    ///
    /// # Errors
    /// When the body is no JSON object.
    pub fn members(self) -> Result<Option<Members>, BodyError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        match serde_json::from_slice(&self.0) {
            Ok(Value::Object(members)) => Ok(Some(Members(members))),
            Ok(_) => Err(BodyError::Malformed(
                "the body must be a JSON object".into(),
            )),
            Err(error) => Err(BodyError::Malformed(format!(
                "the body is not JSON: {error}"
            ))),
        }
    }

    /// The object's members.
    ///
    /// # Errors
    /// When there is no body, or it is no JSON object.
    pub fn required_members(self) -> Result<Members, BodyError> {
        self.members()?.ok_or(BodyError::Malformed(
            "the body must be a JSON object, and is empty".into(),
        ))
    }
}

/// As the original's framework decides, and not saying is fine too.
fn is_json(request: &HttpRequest) -> bool {
    let content_type = request.content_type();
    let encoded = request
        .headers()
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| coding != "identity");
    let is_json = content_type.is_empty()
        || content_type.eq_ignore_ascii_case("application/json")
        || content_type.to_ascii_lowercase().ends_with("+json");
    is_json && !encoded
}

async fn read(mut payload: Payload) -> Result<Bytes, BodyError> {
    let unreadable =
        |error: PayloadError| BodyError::Malformed(format!("the body can't be read: {error}"));
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.try_next().await.map_err(unreadable)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(BodyError::TooLarge(MAX_BODY_BYTES));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: impl Into<Bytes>) -> JsonBody {
        JsonBody(text.into())
    }

    #[test]
    fn what_is_no_json_object_is_told_and_where_it_breaks() {
        for (text, words) in [
            ("null", "the body must be a JSON object"),
            ("[]", "the body must be a JSON object"),
            ("\"{}\"", "the body must be a JSON object"),
            (
                "{\"a\":}",
                "the body is not JSON: expected value at line 1 column 6",
            ),
            (
                "{}x",
                "the body is not JSON: trailing characters at line 1 column 3",
            ),
            (
                "{\"a\":\"\\ud800\"}",
                "the body is not JSON: unexpected end of hex escape at line 1 column 13",
            ),
        ] {
            assert_eq!(
                body(text).members().unwrap_err().to_string(),
                words,
                "{text}"
            );
        }
        assert!(body(&b"{\"a\":\"\xff\"}"[..]).members().is_err());
    }

    #[test]
    fn a_body_that_is_nested_without_end_is_refused_and_not_followed() {
        let deep = "[".repeat(MAX_BODY_BYTES);
        let error = body(deep).members().unwrap_err().to_string();
        assert!(error.contains("recursion limit"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_is_not_waited_for() {
        let mut payload: Payload = Payload::Stream {
            payload: Box::pin(futures_util::stream::pending()),
        };
        let request = actix_web::test::TestRequest::default().to_http_request();
        let body = JsonBody::from_request(&request, &mut payload).await;
        assert!(matches!(body, Err(BodyError::TooSlow)), "{body:?}");
    }

    #[test]
    fn no_body_is_no_members_and_an_empty_object_is_some() {
        assert!(body("").members().unwrap().is_none());
        assert!(body("{}").members().unwrap().unwrap().is_empty());
    }
}

//! The body of a request: a JSON object, or nothing.

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

/// The maximum length of a body, in bytes. The longest todo needs a tenth of this, even if every character is escaped.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long a client may take to send a body, and how long the body may be. They are data of the application and, if they
/// differ from its, of a resource.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The time limit.
    pub timeout: Duration,
    /// The maximum length, in bytes.
    pub max_bytes: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            max_bytes: MAX_BODY_BYTES,
        }
    }
}

/// A request body was refused.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is longer than this many bytes.
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The request's headers say that the body is compressed, or do not say that it is JSON.
    #[error("the body must be uncompressed JSON with Content-Type: application/json")]
    UnsupportedType,
    /// The body can't be read or is not a JSON object. The text says why.
    #[error("{0}")]
    Malformed(String),
}

/// The body of a request: not longer than the [`BodyLimits`] allow, and JSON according to its headers if it is not empty.
#[derive(Debug)]
pub struct JsonBody(Bytes);

impl FromRequest for JsonBody {
    type Error = BodyError;
    type Future = LocalBoxFuture<'static, Result<Self, BodyError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = is_json(request);
        let limits: BodyLimits = request.app_data().copied().unwrap_or_default();
        let payload = payload.take();
        Box::pin(async move {
            let body = tokio::time::timeout(limits.timeout, read(payload, limits.max_bytes))
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
    /// Returns the members of the object, or `None` if the body is empty.
    ///
    /// # Errors
    /// Returns an error if the body is not a JSON object.
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
                "the body is not valid JSON: {error}"
            ))),
        }
    }

    /// Returns the members of the object.
    ///
    /// # Errors
    /// Returns an error if the body is empty or is not a JSON object.
    pub fn required_members(self) -> Result<Members, BodyError> {
        self.members()?.ok_or(BodyError::Malformed(
            "the body is empty; it must be a JSON object".into(),
        ))
    }
}

/// Returns whether the body is uncompressed JSON, according to its headers. The content types are those that the
/// original's framework accepts. Before a page of another site can send one of them, its browser asks the server for
/// permission (<https://fetch.spec.whatwg.org/#cors-preflight-fetch>), which the API never gives.
fn is_json(request: &HttpRequest) -> bool {
    let encoded = request
        .headers()
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| coding != "identity");
    !encoded && is_json_type(request.content_type())
}

fn is_json_type(content_type: &str) -> bool {
    let Some((kind, format)) = content_type.split_once('/') else {
        return false;
    };
    let suffix = format.rsplit_once('+').map(|(_, suffix)| suffix);
    kind.eq_ignore_ascii_case("application")
        && suffix.unwrap_or(format).eq_ignore_ascii_case("json")
}

async fn read(mut payload: Payload, max_bytes: usize) -> Result<Bytes, BodyError> {
    let unreadable =
        |error: PayloadError| BodyError::Malformed(format!("the body can't be read: {error}"));
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.try_next().await.map_err(unreadable)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(BodyError::TooLarge(max_bytes));
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
    fn anything_but_a_json_object_is_refused_with_the_position_of_the_error() {
        for (text, words) in [
            ("null", "the body must be a JSON object"),
            ("[]", "the body must be a JSON object"),
            ("\"{}\"", "the body must be a JSON object"),
            (
                "{\"a\":}",
                "the body is not valid JSON: expected value at line 1 column 6",
            ),
            (
                "{}x",
                "the body is not valid JSON: trailing characters at line 1 column 3",
            ),
            (
                "{\"a\":\"\\ud800\"}",
                "the body is not valid JSON: unexpected end of hex escape at line 1 column 13",
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
    fn a_deeply_nested_body_is_refused_without_a_stack_overflow() {
        let deep = "[".repeat(MAX_BODY_BYTES);
        let error = body(deep).members().unwrap_err().to_string();
        assert!(error.contains("recursion limit"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_arrives_is_refused_after_the_time_limit() {
        let mut payload: Payload = Payload::Stream {
            payload: Box::pin(futures_util::stream::pending()),
        };
        let request = actix_web::test::TestRequest::default().to_http_request();
        let body = JsonBody::from_request(&request, &mut payload).await;
        assert!(matches!(body, Err(BodyError::TooSlow)), "{body:?}");
    }

    #[test]
    fn only_json_types_of_applications_are_json() {
        for content_type in [
            "application/json",
            "Application/JSON",
            "application/a+b+Json",
        ] {
            assert!(is_json_type(content_type), "{content_type}");
        }
        for content_type in [
            "",
            "json",
            "+json",
            "text/json",
            "text/plain",
            "text/x+json",
            "application/jsonx",
            "application/x-json",
            "application/json+xml",
            "application/json/json",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!is_json_type(content_type), "{content_type}");
        }
    }

    #[test]
    fn an_empty_body_has_no_members_object_and_an_empty_object_has_one() {
        assert!(body("").members().unwrap().is_none());
        assert!(body("{}").members().unwrap().unwrap().is_empty());
    }
}

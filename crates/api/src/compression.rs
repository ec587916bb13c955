//! The middleware that compresses what the API sends as text: lists, long problems, metrics. Calendars and the files of the
//! page are stored compressed, and come with their own content coding.

use std::future::poll_fn;
use std::io::Write as _;
use std::mem;

use actix_web::body::{BodySize, BodyStream, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, ContentEncoding, ETAG, HeaderMap, HeaderValue, VARY,
};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{Stream, stream};

use crate::response::download::Coding;

/// With the headers, shorter bodies fit into one packet of a network with the usual MTU of 1,500 bytes, compressed or not.
const MIN_BYTES: u64 = 900;
/// The media types that are compressed.
const TEXTS: [&str; 3] = ["application/json", "application/problem+json", "text/plain"];

/// What a body becomes.
type Compressed<B> = EitherBody<B, BoxBody>;

/// Handles a request with `next`, and compresses a long response if the client accepts gzip. Only responses to requests
/// that change nothing: some others contain a secret, whose length would show beside text that another site has chosen.
///
/// # Errors
/// Returns the error of `next`.
pub async fn compress<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Compressed<B>>, actix_web::Error> {
    let is_safe = request.method().is_safe();
    let mut response = next.call(request).await?;
    if !is_safe || !is_compressible(response.headers(), response.response().body().size()) {
        return Ok(response.map_into_left_body());
    }
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    // a client that accepts neither gzip nor identity encoding gets the latter
    if !matches!(Coding::negotiate(response.request()), Ok(Coding::Gzip)) {
        return Ok(response.map_into_left_body());
    }
    let headers = response.headers_mut();
    let coding = HeaderValue::from_static(ContentEncoding::Gzip.as_str());
    headers.insert(CONTENT_ENCODING, coding);
    weaken_etag(headers);
    Ok(response.map_body(|_, body| EitherBody::right(gzip(body))))
}

fn is_compressible(headers: &HeaderMap, size: BodySize) -> bool {
    let is_long = match size {
        BodySize::None => false,
        BodySize::Sized(length) => length >= MIN_BYTES,
        // a list that is sent while it is read
        BodySize::Stream => true,
    };
    let content_type = headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next());
    is_long
        && media_type.is_some_and(|media_type| TEXTS.contains(&media_type.trim_end()))
        && !headers.contains_key(CONTENT_ENCODING)
}

/// A strong `ETag` stands for the same bytes (<https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.3>), and these are
/// others. `If-None-Match` finds a weak one too.
fn weaken_etag(headers: &mut HeaderMap) {
    let etag = headers.get(ETAG).and_then(|etag| etag.to_str().ok());
    let weak = etag
        .filter(|etag| !etag.starts_with("W/"))
        .and_then(|etag| HeaderValue::try_from(format!("W/{etag}")).ok());
    if let Some(weak) = weak {
        headers.insert(ETAG, weak);
    }
}

fn gzip<B: MessageBody + 'static>(body: B) -> BoxBody {
    match body.try_into_bytes() {
        Ok(bytes) => BoxBody::new(gzip_bytes(&bytes)),
        Err(body) => BoxBody::new(BodyStream::new(gzip_parts(body))),
    }
}

fn gzip_bytes(bytes: &[u8]) -> Bytes {
    let mut encoder = encoder(Vec::with_capacity(bytes.len() / 4));
    write(&mut encoder, bytes);
    finish(encoder)
}

/// Compresses a body while it is sent. After an error, the end of the gzip format is missing, so a client can tell that the
/// body is incomplete.
fn gzip_parts<B: MessageBody + 'static>(body: B) -> impl Stream<Item = Result<Bytes, B::Error>> {
    let state = (Box::pin(body), Some(encoder(Vec::new())));
    stream::try_unfold(state, |(mut body, encoder)| async move {
        let Some(mut encoder) = encoder else {
            return Ok(None);
        };
        while let Some(part) = poll_fn(|context| body.as_mut().poll_next(context)).await {
            write(&mut encoder, &part?);
            if !encoder.get_ref().is_empty() {
                let compressed = Bytes::from(mem::take(encoder.get_mut()));
                return Ok(Some((compressed, (body, Some(encoder)))));
            }
        }
        Ok(Some((finish(encoder), (body, None))))
    })
}

/// With the least effort: a thousand todos take a millisecond, and shrink to a tenth.
fn encoder(compressed: Vec<u8>) -> GzEncoder<Vec<u8>> {
    GzEncoder::new(compressed, Compression::fast())
}

#[expect(clippy::expect_used, reason = "writing to memory does not fail")]
fn write(encoder: &mut GzEncoder<Vec<u8>>, bytes: &[u8]) {
    encoder.write_all(bytes).expect("writes to memory");
}

#[expect(clippy::expect_used, reason = "writing to memory does not fail")]
fn finish(encoder: GzEncoder<Vec<u8>>) -> Bytes {
    encoder.finish().expect("writes to memory").into()
}

//! What one request holds until its response has been sent.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::HttpMessage;
use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use pin_project_lite::pin_project;

use super::connection::Exchange;
use super::slots::Slot;

/// How much of a response the server gets at a time.
const PART_BYTES: usize = 16 * 1024;

/// The place of a request. It is one of the request's extensions while the request is handled, and moves to the
/// [`LimitedBody`] of the response.
#[derive(Debug)]
pub enum Occupied {
    /// Of a request that is being handled.
    Request(Slot),
    /// Of a request that waits for the end of its job.
    Wait(Slot),
    /// Of a stream of events, which may stay open for as long as its client reads it.
    Stream(Slot),
}

impl Occupied {
    /// Gives this place to `request`, instead of the one that it has.
    pub fn assign_to(self, request: &impl HttpMessage) {
        request.extensions_mut().insert(self);
    }

    /// Takes the place of `request` away from it, if it has one.
    pub fn take_from(request: &impl HttpMessage) -> Option<Self> {
        request.extensions_mut().remove()
    }

    /// Returns whether the response may take as long as it needs.
    fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }
}

pin_project! {
    /// The body of a response. It holds the place of its request, and the time limit of its connection counts, until all of
    /// it is on its way. The server copies each part that it gets, so it gets small ones: a client that reads slowly costs
    /// no more than a few of them.
    #[derive(Debug)]
    pub struct LimitedBody<B> {
        #[pin]
        body: B,
        rest: Bytes,
        _occupied: Option<Occupied>,
        _exchange: Option<Exchange>,
    }
}

impl<B> LimitedBody<B> {
    /// Limits the time in which the client of `exchange` has to read `body`, from now. It ends what is `occupied`.
    pub fn new(body: B, occupied: Option<Occupied>, exchange: Option<Exchange>) -> Self {
        let is_stream = occupied.as_ref().is_some_and(Occupied::is_stream);
        if let Some(exchange) = exchange.as_ref().filter(|_| !is_stream) {
            exchange.begin_response();
        }
        Self {
            body,
            rest: Bytes::new(),
            _occupied: occupied,
            _exchange: exchange,
        }
    }
}

impl<B: MessageBody> MessageBody for LimitedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    /// The server calls this whenever the client has read enough to make room for more.
    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        if this.rest.is_empty() {
            match ready!(this.body.poll_next(context)) {
                Some(Ok(part)) => *this.rest = part,
                end => return Poll::Ready(end),
            }
        }
        let length = this.rest.len().min(PART_BYTES);
        Poll::Ready(Some(Ok(this.rest.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn a_response_is_handed_out_in_small_parts_that_make_up_the_whole() {
        let whole: Vec<u8> = (0..=u8::MAX).cycle().take(PART_BYTES * 3 + 1).collect();
        let mut body = pin!(LimitedBody::new(Bytes::from(whole.clone()), None, None));
        assert_eq!(body.size(), BodySize::Sized(whole.len() as u64));
        let mut sent = Vec::new();
        while let Some(part) = poll_fn(|context| body.as_mut().poll_next(context)).await {
            let part = part.unwrap();
            assert!((1..=PART_BYTES).contains(&part.len()), "{}", part.len());
            sent.extend_from_slice(&part);
        }
        assert_eq!(sent, whole);
    }
}

//! What one request holds until its response has been sent.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::slots::Slot;

/// The place of a request. It is one of the request's extensions while the request is handled, and moves to the
/// [`LimitedBody`] of the response.
#[derive(Debug)]
pub enum Occupied {
    /// Of a request that is being handled.
    Request(Slot),
    /// Of a request that waits for the end of its job.
    Wait(Slot),
    /// Of a stream of events, which may stay open for as long as its job runs.
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

    /// Returns when the response to this request has to be sent, if it begins now. `None` means that it may take as long
    /// as it needs.
    fn deadline(&self, send_timeout: Duration) -> Option<Instant> {
        match self {
            Self::Request(_) | Self::Wait(_) => Some(Instant::now() + send_timeout),
            Self::Stream(_) => None,
        }
    }
}

/// The client did not read the response in time.
#[derive(Debug, thiserror::Error)]
#[error("the client did not read the response in time")]
pub struct SendingTooSlow;

pin_project! {
    /// The body of a response. It fails, which closes the connection, if it is not sent in time, and holds the place of its
    /// request until then.
    #[derive(Debug)]
    pub struct LimitedBody<B> {
        #[pin]
        body: B,
        deadline: Option<Instant>,
        occupied: Option<Occupied>,
    }
}

impl<B> LimitedBody<B> {
    /// Limits the time in which `body` has to be sent, from now.
    pub fn new(body: B, occupied: Option<Occupied>, send_timeout: Duration) -> Self {
        let deadline = occupied
            .as_ref()
            .and_then(|occupied| occupied.deadline(send_timeout));
        Self {
            body,
            deadline,
            occupied,
        }
    }
}

impl<B: MessageBody> MessageBody for LimitedBody<B> {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    /// The server calls this whenever the client has read enough to make room for more.
    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        if this
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            return Poll::Ready(Some(Err(SendingTooSlow.into())));
        }
        this.body.poll_next(context).map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::poll_fn;
    use std::num::NonZeroUsize;
    use std::pin::pin;

    use actix_web::body::BodyStream;
    use futures_util::stream;

    use super::super::slots::Slots;
    use super::*;

    const TIMEOUT: Duration = Duration::from_mins(1);

    /// Returns whether a body can still be sent after `age`.
    async fn can_be_sent(occupied: fn(Slot) -> Occupied, age: Duration) -> bool {
        let slot = Slots::new(NonZeroUsize::MIN).take().unwrap();
        let part = Ok::<_, Infallible>(Bytes::from_static(b"part"));
        let body = BodyStream::new(stream::repeat(part));
        let mut body = pin!(LimitedBody::new(body, Some(occupied(slot)), TIMEOUT));
        tokio::time::advance(age).await;
        let part = poll_fn(|context| body.as_mut().poll_next(context)).await;
        part.unwrap().is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_ends_after_the_time_limit_and_a_stream_of_events_does_not() {
        assert!(can_be_sent(Occupied::Request, TIMEOUT / 2).await);
        assert!(!can_be_sent(Occupied::Request, TIMEOUT).await);
        assert!(!can_be_sent(Occupied::Wait, TIMEOUT).await);
        assert!(can_be_sent(Occupied::Stream, TIMEOUT * 100).await);
    }
}

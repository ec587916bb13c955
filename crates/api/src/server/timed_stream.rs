//! A socket that is closed when its connection has used up its time.
//!
//! actix-web limits the time for the headers of the first request on a connection, and the time between two requests. It
//! does not limit how long the headers of a later request, the rest of a body that nobody reads, or the reading of a
//! response may take. So the socket itself does: after the time, it fails, and the server closes the connection.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::connection::Connection;

/// The socket of a connection.
#[derive(Debug)]
pub(super) struct TimedStream {
    stream: TcpStream,
    connection: Rc<Connection>,
    timer: Pin<Box<Sleep>>,
}

impl TimedStream {
    /// Limits the time of `stream` to that of `connection`. Call it within a tokio runtime.
    pub(super) fn new(stream: TcpStream, connection: Rc<Connection>) -> Self {
        let first = connection.deadline().unwrap_or_else(Instant::now);
        Self {
            stream,
            connection,
            timer: Box::pin(sleep_until(first)),
        }
    }

    /// Returns the connection.
    pub(super) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Returns the address at which the connection arrived.
    ///
    /// # Errors
    /// Returns the error of the operating system, such as if the connection has ended.
    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Makes sure that the task is woken at the deadline.
    ///
    /// # Errors
    /// Returns an error if the deadline has passed.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(deadline) = self.connection.deadline() else {
            return Ok(());
        };
        // Most deadlines are postponed before they are reached, so the timer is only reset when it fires too early.
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                log::debug!("closed a connection whose client took too long");
                return Err(ErrorKind::TimedOut.into());
            }
            self.timer.as_mut().reset(deadline);
        }
        Ok(())
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.connection.received();
        }
        outcome
    }
}

/// The server flushes whenever it has looked at a connection, so the deadline counts whatever the connection does.
impl AsyncWrite for TimedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_deadline(context)?;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_deadline(context)?;
        // the server flushes when it has nothing more to write
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            this.connection.all_sent();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
